"""A grid detector after NVIDIA's DetectNet_v2: each cell says what covers it and where that begins and ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import resnet18

from dicomnode.networks.clustering import density_clusters, strongest_apart
from dicomnode.networks.coverage import STRIDE, boxes_of_cells, coverage_of
from dicomnode.networks.detector import Detections, Target
from dicomnode.networks.normalisation import Normalisation
from dicomnode.networks.pyramids import load_pyramid_body

_FEATURES = 512
_RARE = -4.6
"""Logit of a coverage of 0.01: most cells of an image hold nothing."""
_NEAR = 0.5
"""First distance to each edge, in units of 35 pixels."""
_SMALLEST_SIDE = 4.0
"""Pixels; smaller boxes are not returned, as in the published configuration."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """How the cells' boxes become lesions.

    Attributes:
        method: ``dbscan`` or ``nms``.
        min_coverage: Cells with less are passed over.
        radius: Of ``dbscan``: neighbours have an IoU above one minus this.
        least: Of ``dbscan``: coverage that a neighbourhood must add up to.
        overlap: Of ``nms``: highest IoU of two boxes.
        candidates: Cells of a class that are looked at, those with the highest coverage.
    """

    method: Literal["dbscan", "nms"] = "dbscan"
    min_coverage: float = 0.005
    radius: float = 0.3
    least: float = 0.05
    overlap: float = 0.4
    candidates: int = 300


class DetectNet(nn.Module):
    """Boxes, labels and scores of lesions on one 2-D image, from ResNet-18 features at stride 16.

    Args:
        classes: Kinds of lesion; their labels are 1..classes.
        coverage_weight: Of the cross entropy of the cells' coverage in the loss.
        foreground_weight: Of covered cells in it, 0..1; the others have the rest.
        box_weight: Of the boxes' mean absolute error in the loss.
        clustering: ``dbscan``, or ``nms`` for non-maximum suppression.
        min_score: Cells with less coverage are passed over.
        max_detections: Boxes returned per image at most.
        mean: Subtracted from each channel of pixels in 0..1; ImageNet's if not given.
        std: What they are then divided by; ImageNet's if not given.
    """

    def __init__(
        self,
        *,
        classes: int,
        coverage_weight: float = 1.0,
        foreground_weight: float = 0.05,
        box_weight: float = 10.0,
        clustering: Literal["dbscan", "nms"] = "dbscan",
        min_score: float = 0.005,
        max_detections: int = 20,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
    ) -> None:
        super().__init__()
        self.normalisation = Normalisation(mean, std)
        self.body = _body()
        self.coverage = _head(classes, _RARE)
        self.reach = _head(4 * classes, _NEAR)
        self._weights = (coverage_weight, box_weight)
        self._foreground = foreground_weight
        self._clustering = Clustering(method=clustering, min_coverage=min_score)
        self._most = max_detections

    def forward(self, images: Sequence[torch.Tensor], targets: list[Target] | None = None) -> Target | Detections:
        """Losses by name in training, else per image ``boxes`` (N, 4) xyxy, ``labels`` (N,) and ``scores`` (N,).

        Args:
            images: (1, h, w) or (3, h, w) each, values about 0..1.
            targets: In training only: ``boxes`` (N, 4) xyxy and ``labels`` (N,) from 1.
        """
        features = self.body(self.normalisation(_stacked(images)))
        # Half precision would round distances: the heads compute in single precision.
        with torch.autocast(features.device.type, enabled=False):
            logits = self.coverage(features.float())
            reach = self.reach(features.float()).unflatten(1, (-1, 4))
        if self.training:
            if targets is None:
                raise ValueError("training needs targets")
            return self._losses(logits, reach, targets)
        coverage = logits.sigmoid()
        return [self._lesions(coverage[i], reach[i], image.shape[-2:]) for i, image in enumerate(images)]

    @property
    def architecture(self) -> str:
        """Name of the body in torchvision."""
        return "resnet18"

    def load_body(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take the body from torchvision's classifier; see :class:`dicomnode.networks.pretraining.TakesImageNet`."""
        load_pyramid_body(self.body, weights)

    def _losses(self, logits: torch.Tensor, reach: torch.Tensor, targets: list[Target]) -> Target:
        wanted = [coverage_of(t["boxes"], t["labels"], logits.shape[1:]) for t in targets]
        covered, edges = (torch.stack(parts) for parts in zip(*wanted, strict=True))
        weights = covered * self._foreground + (1 - covered) * (1 - self._foreground)
        coverage = functional.binary_cross_entropy_with_logits(logits, covered, weights)
        error = (reach - edges).abs().mean(dim=2) * covered
        boxes = error.sum() / covered.sum().clamp(min=1)
        return {"loss_coverage": self._weights[0] * coverage, "loss_box": self._weights[1] * boxes}

    def _lesions(self, coverage: torch.Tensor, reach: torch.Tensor, size: torch.Size) -> Target:
        limits = coverage.new_tensor([size[1], size[0], size[1], size[0]])
        found = [self._of_class(coverage[kind], reach[kind], limits) for kind in range(len(coverage))]
        boxes, scores = (torch.cat([part[place] for part in found]) for place in (0, 1))
        labels = torch.cat([torch.full_like(part[1], kind, dtype=torch.int64) for kind, part in enumerate(found, 1)])
        order = scores.argsort(descending=True, stable=True)[: self._most]
        return {"boxes": boxes[order], "labels": labels[order], "scores": scores[order]}

    def _of_class(
        self, coverage: torch.Tensor, reach: torch.Tensor, limits: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        own = self._clustering
        boxes = torch.minimum(boxes_of_cells(reach).clamp(min=0), limits)
        weights, cells = coverage.flatten().topk(min(own.candidates, coverage.numel()))
        boxes = boxes[cells]
        kept = (weights >= own.min_coverage) & (boxes[:, 2:] - boxes[:, :2] >= _SMALLEST_SIDE).all(dim=1)
        if own.method == "dbscan":
            return density_clusters(boxes[kept], weights[kept], own.radius, own.least)
        return strongest_apart(boxes[kept], weights[kept], own.overlap)


def _head(outputs: int, bias: float) -> nn.Conv2d:
    head = nn.Conv2d(_FEATURES, outputs, 1)
    nn.init.normal_(head.weight, std=0.01)
    head.bias = nn.Parameter(torch.full((outputs,), bias))
    return head


def _body() -> nn.Sequential:
    """ResNet-18 without its head; its last stage does not halve the image any more."""
    body = resnet18(weights=None)
    body.layer4[0].conv1.stride = (1, 1)
    body.layer4[0].downsample[0].stride = (1, 1)
    names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    stages = nn.Sequential()
    for name in names:
        stages.add_module(name, getattr(body, name))
    return stages


def _stacked(images: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, 3, h, w) of the largest height and width, filled with black to whole cells."""
    height, width = (-(-max(image.shape[axis] for image in images) // STRIDE) * STRIDE for axis in (-2, -1))
    filled = [functional.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2])) for image in images]
    return torch.stack([image.expand(3, -1, -1) for image in filled])
