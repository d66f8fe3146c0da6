"""Which parts of an image speak for a class (Grad-CAM, Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from dicomnode.inference.feature_maps import FeatureMaps
from dicomnode.networks import ClassifierEnsemble, SymmetryAveraged


def grad_cam(network: nn.Module, images: torch.Tensor, label: int) -> torch.Tensor | None:
    """The Grad-CAM of a class: its last feature map, each channel weighted by the mean gradient of the class's logit.

    Of networks that answer together, and of one that looks from several sides, the maps are averaged in the place of
    the image before what speaks against the class is cut off, as their logits are averaged. Elements of the map are put
    where their receptive fields lie; spread evenly over the image they would lie up to half an element off.

    Args:
        network: Gives (B, K) logits; in evaluation mode.
        images: (B, C, h, w) on the network's device.
        label: The class, 0..K-1.

    Returns:
        (B, h, w), 0 and above, in logits; None of a network without a feature map.
    """
    found = _signed(network, images, label)
    return None if found is None else found.clamp(min=0)


def _signed(network: nn.Module, images: torch.Tensor, label: int) -> torch.Tensor | None:
    if isinstance(network, ClassifierEnsemble):
        return _mean([_signed(member, images, label) for member in network.members])
    if not isinstance(network, SymmetryAveraged):
        return _of_one(network, images, label)
    seen = [(view, _signed(network.classifier, view.of(images), label)) for view in network.views]
    return _mean([None if found is None else view.back(found) for view, found in seen])


def _mean(maps: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    known = [item for item in maps if item is not None]
    return torch.stack(known).mean(dim=0) if known and len(known) == len(maps) else None


def _of_one(network: nn.Module, images: torch.Tensor, label: int) -> torch.Tensor | None:
    size = (images.shape[-2], images.shape[-1])
    maps = FeatureMaps(size)
    with torch.enable_grad(), maps.watching(network):
        logits: torch.Tensor = network(images.detach().clone().requires_grad_())
    if maps.last is None or not maps.last.requires_grad:
        return None
    found: Sequence[torch.Tensor | None] = torch.autograd.grad(logits[:, label].sum(), [maps.last], allow_unused=True)
    gradients = found[0]
    if gradients is None:
        return None
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return maps.grid.over((weights * maps.last.detach()).sum(dim=1), size)
