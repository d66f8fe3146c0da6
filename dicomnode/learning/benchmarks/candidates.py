"""The networks of the table, what they are given and what is minimised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from dicomnode.networks import DmvCnn, FasterRcnn, FullResolutionResNet, Gmic

Size: TypeAlias = tuple[int, int]
Unit: TypeAlias = Literal["image", "exam", "boxes"]

PUBLISHED_SIZE: Size = (2944, 1920)
_CC, _MLO = (2677, 1942), (2974, 1748)
_VIEWS = {"L-CC": _CC, "R-CC": _CC, "L-MLO": _MLO, "R-MLO": _MLO}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network and what it looks at.

    Attributes:
        build: The network for images of a size.
        unit: ``image``: several images; ``exam``: four views; ``boxes``: several images with boxes to find.
        channels: Channels of an image.
    """

    build: Callable[[Size], nn.Module]
    unit: Unit = "image"
    channels: int = 1


CANDIDATES: Mapping[str, Candidate] = {
    "gmic_resnet18": Candidate(lambda _: Gmic(local="resnet18")),
    "gmic_resnet34": Candidate(lambda _: Gmic(local="resnet34")),
    "gmic_resnet50": Candidate(lambda _: Gmic(local="resnet50")),
    "dmv_cnn": Candidate(lambda _: DmvCnn(), "exam"),
    "dmv_cnn_heatmaps": Candidate(lambda _: DmvCnn(heatmaps=True), "exam", 3),
    "resnet34_fc": Candidate(lambda _: FullResolutionResNet(head="fc")),
    "resnet34_1x1conv": Candidate(lambda _: FullResolutionResNet(head="conv1x1")),
    "faster_rcnn": Candidate(lambda size: FasterRcnn(backbone="resnet50", classes=2, size=size), "boxes"),
}


def inputs_of(candidate: Candidate, size: Size, images: int, device: torch.device) -> Any:
    """Noise of the right shape; views of an exam are smaller than published by as much as ``size`` is."""
    rows, columns = size
    if candidate.unit == "exam":
        shapes = {
            name: (round(height * rows / PUBLISHED_SIZE[0]), round(width * columns / PUBLISHED_SIZE[1]))
            for name, (height, width) in _VIEWS.items()
        }
        return {name: torch.randn(1, candidate.channels, *shape, device=device) for name, shape in shapes.items()}
    noise = torch.randn(images, candidate.channels, rows, columns, device=device)
    return list(noise) if candidate.unit == "boxes" else noise


def loss_of(candidate: Candidate, network: nn.Module, inputs: Any) -> torch.Tensor:
    """A forward pass in training, up to the number that is minimised."""
    if candidate.unit == "boxes":
        losses: list[torch.Tensor] = list(network(inputs, [_target(image) for image in inputs]).values())
        return torch.stack(losses).sum()
    answer = network(inputs)
    heads = [logits for name, logits in answer.items() if name.endswith("_logits")]
    losses = [functional.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits)) for logits in heads]
    if "saliency" in answer:
        losses.append(answer["saliency"].mean())
    return torch.stack(losses).sum()


def _target(image: torch.Tensor) -> dict[str, torch.Tensor]:
    """One box in the middle of an image."""
    height, width = image.shape[-2:]
    box = [width / 3, height / 3, width * 2 / 3, height * 2 / 3]
    return {
        "boxes": torch.tensor([box], device=image.device),
        "labels": torch.ones(1, dtype=torch.int64, device=image.device),
    }
