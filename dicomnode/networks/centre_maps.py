"""What a dense detector says at each place of an image, and how far that is from the truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional
from torchvision.ops import box_iou, generalized_box_iou_loss

from dicomnode.networks.detector import Target

STRIDE = 8
"""Pixels from one place to the next."""

_CENTRAL = 0.5
"""Share of a lesion's half axes within which places answer for it."""
_BACKGROUND = 0.75
_FOCUS = 2.0


@dataclass(frozen=True, slots=True)
class Maps:
    """What the network says at each place.

    Attributes:
        classes: (B, K, h / 8, w / 8) logits.
        reach: (B, 4, h / 8, w / 8) pixels from a place to the left, upper, right and lower side of its box.
        mask: (B, 1, h / 4, w / 4) logits of being on any lesion.
    """

    classes: torch.Tensor
    reach: torch.Tensor
    mask: torch.Tensor

    def averaged(self, mirrored: Maps) -> Maps:
        """With those of the mirrored image, turned back."""
        reach = mirrored.reach.flip(-1)[:, [2, 1, 0, 3]]
        return Maps(
            (self.classes + mirrored.classes.flip(-1)) / 2,
            (self.reach + reach) / 2,
            (self.mask + mirrored.mask.flip(-1)) / 2,
        )


def boxes_at_places(reach: torch.Tensor) -> torch.Tensor:
    """(h * w, 4) xyxy in pixels from (4, h, w) distances."""
    places = _places(reach.shape[-2], reach.shape[-1], reach.device)
    left, top, right, bottom = reach.flatten(1)
    x, y = places.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


def centre_losses(maps: Maps, targets: list[Target]) -> Target:
    """Losses of kind, box and mask of a batch.

    Kind: varifocal loss, whose target at a lesion's places is the overlap of the box given there, so that a score also
    tells how well the box fits (Zhang et al., CVPR 2021). Box: generalised intersection over union. Mask: binary
    cross-entropy and Dice.

    Args:
        maps: Of the batch.
        targets: One per image: ``boxes`` (N, 4) xyxy, ``labels`` (N,) from 1, ``masks`` (N, h, w) uint8.
    """
    quality = torch.zeros_like(maps.classes).flatten(2)
    overlaps, number = [maps.reach.sum() * 0], 0
    for index, target in enumerate(targets):
        places, lesions = _answering(target["boxes"], maps.classes.shape[-2], maps.classes.shape[-1])
        given, wanted = boxes_at_places(maps.reach[index])[places], target["boxes"][lesions]
        overlaps.append(generalized_box_iou_loss(given, wanted, reduction="sum"))
        fit = box_iou(given.detach(), wanted).diagonal()
        quality[index, target["labels"][lesions] - 1, places] = fit.clamp(min=0.05)
        number += len(places)
    number = max(number, 1)
    return {
        "kind": _varifocal(maps.classes.flatten(2), quality) / number,
        "box": torch.stack(overlaps).sum() / number,
        "mask": _mask_loss(maps.mask, targets),
    }


def _places(height: int, width: int, device: torch.device) -> torch.Tensor:
    """(h * w, 2) x, y of the places in pixels, row by row."""
    rows = (torch.arange(height, device=device) + 0.5) * STRIDE
    columns = (torch.arange(width, device=device) + 0.5) * STRIDE
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def _answering(boxes: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which places answer for which lesion: those near its centre, at least one; the smaller of two lesions wins."""
    places = _places(height, width, boxes.device)
    if not len(boxes):
        nothing = torch.zeros(0, dtype=torch.int64, device=boxes.device)
        return nothing, nothing
    centres, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    offsets = places[:, None] - centres
    near = (offsets / (halves * _CENTRAL)).square().sum(-1) <= 1
    near[offsets.square().sum(-1).argmin(dim=0), torch.arange(len(boxes), device=boxes.device)] = True
    areas = halves.prod(dim=1).expand_as(near).masked_fill(~near, torch.inf)
    chosen = near.any(dim=1).nonzero()[:, 0]
    return chosen, areas[chosen].argmin(dim=1)


def _varifocal(logits: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    weights = torch.where(quality > 0, quality, _BACKGROUND * logits.detach().sigmoid() ** _FOCUS)
    return functional.binary_cross_entropy_with_logits(logits, quality, weights, reduction="sum")


def _mask_loss(logits: torch.Tensor, targets: list[Target]) -> torch.Tensor:
    whole = [target["masks"].float().amax(dim=0) if len(target["masks"]) else None for target in targets]
    size = (targets[0]["masks"].shape[-2], targets[0]["masks"].shape[-1])
    truth = torch.stack([logits.new_zeros(size) if item is None else item for item in whole])[:, None]
    truth = functional.pad(truth, (0, 4 * logits.shape[-1] - size[1], 0, 4 * logits.shape[-2] - size[0]))
    truth = functional.avg_pool2d(truth, 4)
    inside = logits.sigmoid()
    dice = 1 - 2 * (inside * truth).sum() / ((inside + truth).sum() + 1)
    return functional.binary_cross_entropy_with_logits(logits, truth) + dice
