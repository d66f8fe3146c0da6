"""A small dense detector: each place near a lesion's centre says what it is and how far its box reaches.

Anchor-free as FCOS (Tian et al., ICCV 2019), with scores that learn the overlap of the box (Zhang et al.,
"VarifocalNet", CVPR 2021) and one mask for all lesions of the image, cut at each box.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import batched_nms

from dicomnode.networks.centre_maps import STRIDE, Maps, boxes_at_places, centre_losses
from dicomnode.networks.classifier import ResNetClassifier
from dicomnode.networks.detector import Detections, Target

_LARGEST_STRIDE = 32
_CANDIDATES = 100
_FARTHEST = 6.0
"""Of the logarithm of a reach in strides: far beyond any image, short of overflow."""
_RARE = -4.6
"""Logit of a score of 0.01: at first nothing is a lesion, or the background would swamp the loss."""
_NEAR = 1.0
"""Logarithm of the first reach in strides: boxes begin about 40 pixels wide."""


class CentreDetector(nn.Module):
    """Boxes, labels, scores and masks of lesions on one 2-D image, without anchors.

    Args:
        classes: Kinds of lesion, background not counted; their labels are 1..classes.
        in_channels: Channels of the image, 1 for grey.
        width: Channels of the residual network's first stage.
        channels: Channels of the pyramid and the heads.
        mean: Subtracted from pixels in 0..1.
        std: Pixels are divided by it.
        mirror: Outside training, look at the mirrored image too and answer with the mean.
        min_score: Boxes with a lower score are not returned.
        overlap: Of two boxes of a class with a higher intersection over union, the weaker is not returned.
        max_detections: Boxes returned per image at most.
    """

    def __init__(
        self,
        *,
        classes: int,
        in_channels: int = 1,
        width: int = 48,
        channels: int = 96,
        mean: float = 0.2,
        std: float = 0.25,
        mirror: bool = True,
        min_score: float = 0.02,
        overlap: float = 0.4,
        max_detections: int = 10,
    ) -> None:
        super().__init__()
        self.body = ResNetClassifier(in_channels=in_channels, classes=1, width=width)
        del self.body.head, self.body.dropout
        widths = (width, 2 * width, 4 * width, 8 * width)
        self.lateral = nn.ModuleList(nn.Conv2d(given, channels, 1) for given in widths)
        self.tower = nn.Sequential(*_block(channels), *_block(channels))
        self.outline = nn.Sequential(*_block(channels), nn.Conv2d(channels, 1, 1))
        self.kind = _head(channels, classes, _RARE)
        self.reach = _head(channels, 4, _NEAR)
        self.mean, self.std = mean, std
        self.mirror = mirror
        self.min_score, self.overlap, self.max_detections = min_score, overlap, max_detections

    def forward(self, images: Sequence[torch.Tensor], targets: list[Target] | None = None) -> Target | Detections:
        """Losses in training, else per image ``boxes`` (N, 4) xyxy, ``labels`` (N,), ``scores`` (N,), ``masks``.

        Args:
            images: (C, h, w) each, values about 0..1.
            targets: In training only: ``boxes`` (N, 4) xyxy, ``labels`` (N,) from 1, ``masks`` (N, h, w) uint8.

        Returns:
            In training three losses by name. Else one dictionary per image: boxes in pixels of that image, labels from
            1, scores 0..1, strongest first, and ``masks`` (N, 1, h, w) of 0..1.
        """
        batch = _stacked(images)
        maps = self._look(batch)
        if self.training:
            if targets is None:
                raise ValueError("training needs targets")
            return centre_losses(maps, targets)
        if self.mirror:
            maps = maps.averaged(self._look(batch.flip(-1)))
        return [self._detections(maps, index, image.shape[-2:]) for index, image in enumerate(images)]

    def _look(self, batch: torch.Tensor) -> Maps:
        features = self.body.stem((batch - self.mean) / self.std)
        levels = []
        for stage, lateral in zip(self.body.stages, self.lateral, strict=True):
            features = stage(features)
            levels.append(lateral(features))
        merged = levels[3]
        for level in (levels[2], levels[1]):
            merged = level + functional.interpolate(merged, scale_factor=2.0)
        mask = self.outline(levels[0] + functional.interpolate(merged, scale_factor=2.0))
        tower = self.tower(merged)
        # Half precision would round distances to whole pixels: the last layers compute in single precision.
        with torch.autocast(batch.device.type, enabled=False):
            reach = STRIDE * self.reach(tower.float()).clamp(max=_FARTHEST).exp()
            return Maps(self.kind(tower.float()), reach, mask.float())

    def _detections(self, maps: Maps, index: int, size: torch.Size) -> Target:
        scores = maps.classes[index].sigmoid().flatten(1)
        chosen = scores.flatten().topk(min(_CANDIDATES, scores.numel()))
        likely = chosen.values >= self.min_score
        values, order = chosen.values[likely], chosen.indices[likely]
        labels, places = order // scores.shape[1], order % scores.shape[1]
        boxes = boxes_at_places(maps.reach[index])[places]
        boxes = torch.minimum(boxes.clamp(min=0), boxes.new_tensor([size[1], size[0], size[1], size[0]]))
        kept = batched_nms(boxes, values, labels, self.overlap)[: self.max_detections]
        masks = _cut(maps.mask[index], boxes[kept], size)
        return {"boxes": boxes[kept], "labels": labels[kept] + 1, "scores": values[kept], "masks": masks}


def _block(channels: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


def _head(channels: int, outputs: int, bias: float) -> nn.Conv2d:
    head = nn.Conv2d(channels, outputs, 3, padding=1)
    nn.init.normal_(head.weight, std=0.01)
    head.bias = nn.Parameter(torch.full((outputs,), bias))
    return head


def _stacked(images: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, C, h, w) of the largest height and width, filled with black to whole strides."""
    height, width = (max(image.shape[axis] for image in images) for axis in (-2, -1))
    height, width = (-(-side // _LARGEST_STRIDE) * _LARGEST_STRIDE for side in (height, width))
    filled = [functional.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2])) for image in images]
    return torch.stack(filled)


def _cut(mask: torch.Tensor, boxes: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """(N, 1, h, w) of 0..1: the image's mask inside each box."""
    height, width = size
    fine = functional.interpolate(mask[None], scale_factor=4.0, mode="bilinear").sigmoid()[0, 0, :height, :width]
    rows = torch.arange(height, device=boxes.device)[None, :, None] + 0.5
    columns = torch.arange(width, device=boxes.device)[None, None, :] + 0.5
    left, top, right, bottom = (side[:, None, None] for side in boxes.unbind(1))
    inside = (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    return (fine * inside)[:, None]
