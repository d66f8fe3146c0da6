"""Bundles of exam models whose networks are set by hand: what is much brighter than a breast is malignant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from dicomnode.networks import DmvCnn, Gmic

# Lesions of the drawn mammograms reach 2.2 and more after standardisation, tissue and pectoral muscle stay below 1.7.
_TISSUE = 1.9
GMIC = {
    "_target_": "dicomnode.networks.Gmic",
    "width": 2,
    "local_width": 4,
    "patches": 3,
    "patch": 128,
}
DMV = {"_target_": "dicomnode.networks.DmvCnn", "width": 2}


def bright_gmic(
    make_exam_bundle: Callable[..., Path], name: str = "exams", contrast: float = 300.0, **options: Any
) -> Path:
    """A bundle with a small GMIC whose saliency of class malignant follows brightness.

    Args:
        make_exam_bundle: The fixture.
        name: Of the bundle.
        contrast: How fast saliency rises with brightness: 300 finds a lesion of a part of an element of the map, 40
            one of a whole element, and draws it closer.
        options: As for the fixture.
    """
    path = make_exam_bundle(name, inference={"network_def": GMIC}, weights=False, **options)
    network = Gmic(**{key: value for key, value in GMIC.items() if key != "_target_"})
    return _write(path, _bright(network, contrast))


def seeded_dmv(make_exam_bundle: Callable[..., Path], name: str = "together", **options: Any) -> Path:
    """A bundle with a small DMV-CNN of random weights, always the same ones."""
    path = make_exam_bundle(name, inference={"network_def": DMV}, weights=False, exam={"unit": "exam"}, **options)
    torch.manual_seed(0)
    return _write(path, DmvCnn(width=2))


def _write(path: Path, network: nn.Module) -> Path:
    state = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    save_file(state, path / "models" / "model.safetensors")
    return path


@torch.no_grad()
def _bright(network: Gmic, contrast: float) -> Gmic:
    """Feature 0 is what exceeds the brightness of tissue, averaged over 64 x 64 pixels; feature 1 is always 1."""
    torch.manual_seed(0)
    body = network.global_network
    for parameter in body.parameters():
        if parameter.ndim == 4:
            parameter.zero_()
    body.stem.weight[0, 0, 2:5, 2:5] = 1 / 9
    for number, stage in enumerate(body.stages):
        first = stage[0]
        if number == 0:
            first.norm1.bias[0] = -_TISSUE
            first.conv1.weight[0, 0, 1, 1] = 1
        else:
            first.conv1.weight[0, 0, 1:, 1:] = 1 / 4
        first.conv2.weight[0, 0, 1, 1] = 1
    body.norm.weight[1], body.norm.bias[1] = 0, 1
    for layer in (network.saliency, network.fusion):
        layer.weight.zero_()
        layer.weight[1, 0] = contrast
        layer.weight[:, 1] = -4
    network.fusion.bias.zero_()
    return network
