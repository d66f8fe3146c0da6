"""Where a classifier looked: Grad-CAM (Selvaraju et al., ICCV 2017) by MONAI, which is here already."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from monai.visualize import GradCAM
from torch import nn

from dicomnode.networks import SymmetryAveraged


class Saliency:
    """Grad-CAM of one network, on its last feature map.

    Args:
        network: A classifier of images; it is copied, as hooks stay on what they are put on. Of one that averages over
            views of the image, the plain view is explained: a map belongs to one pass.
        image: (C, h, w), one of its inputs, from which the layer is found.
    """

    def __init__(self, network: nn.Module, image: torch.Tensor) -> None:
        self._device = next(network.parameters()).device
        plain = network.classifier if isinstance(network, SymmetryAveraged) else network
        self._network = copy.deepcopy(plain).eval().requires_grad_(True)
        for module in self._network.modules():
            if getattr(module, "inplace", False):  # would overwrite what the backward hook needs
                setattr(module, "inplace", False)  # noqa: B010  not every module has it
        layer = last_feature_map(self._network, image[None].to(self._device))
        self._maps = GradCAM(self._network, layer, postprocessing=_to_one)

    def of(self, image: torch.Tensor, index: int) -> torch.Tensor:
        """(h, w) on the CPU, 0..1: how much each place speaks for a class.

        Args:
            image: (C, h, w) as the network takes it.
            index: Of the class.
        """
        with torch.enable_grad():
            # A leaf that wants its gradient: a first module without one would warn of its backward hook.
            images = image[None].contiguous().to(self._device).requires_grad_(True)
            heat: torch.Tensor = self._maps(images, class_idx=index)
        return heat[0, 0].detach().cpu()


@torch.no_grad()
def last_feature_map(network: nn.Module, images: torch.Tensor) -> str:
    """Name of the module that gives the last output with an extent in rows and columns.

    It is found by running the network, so that any architecture will do; in a residual network it is the last block
    with its shortcut, not the convolution within.

    Raises:
        ValueError: If no module gives such an output.
    """
    seen: list[str] = []
    hooks = [module.register_forward_hook(_noting(name, seen)) for name, module in network.named_modules() if name]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise ValueError("the network has no feature map with rows and columns")
    return seen[-1]


def _noting(name: str, seen: list[str]) -> Callable[[nn.Module, object, object], None]:
    def hook(_module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4 and output.shape[-1] * output.shape[-2] > 1:
            seen.append(name)

    return hook


def _to_one(heat: torch.Tensor) -> torch.Tensor:
    highest = heat.amax(dim=(1, 2, 3), keepdim=True)
    return heat / highest.clamp_min(torch.finfo(heat.dtype).tiny)
