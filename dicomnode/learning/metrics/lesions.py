"""Annotated lesions, and which of the boxes found are on one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torchvision.ops import box_iou

from dicomnode.errors import RecipeError
from dicomnode.learning.metrics.froc import FoundBoxes

FALSE, AGAIN = -1, -2
"""What a box claims that is on no free lesion: nothing, or a lesion that a stronger one has found."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Annotated boxes of one image.

    Attributes:
        boxes: (N, 4) xyxy in pixels.
        labels: (N,) indices into the recipe's classes, from 0.
    """

    boxes: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, slots=True)
class Hit:
    """When a box is on a lesion.

    Attributes:
        overlap: Least intersection over union with the lesion's box, above 0 and up to 1; None if the box's centre must
            lie in it, as in the literature on mammography (Ribli et al., Scientific Reports 2018).
    """

    overlap: float | None

    @classmethod
    def read(cls, text: str) -> Hit:
        """From ``iou=0.5`` or ``centre``.

        Raises:
            RecipeError: If it is neither.
        """
        name, _, value = text.partition("=")
        if text == "centre":
            return cls(None)
        if name == "iou" and value.replace(".", "", 1).isdecimal() and 0 < float(value) <= 1:
            return cls(float(value))
        raise RecipeError(f"hit {text!r}: is no rule; give centre, or iou= and an overlap above 0 and up to 1: iou=0.5")

    @property
    def rule(self) -> str:
        """The rule in words."""
        if self.overlap is None:
            return (
                "a box is on a lesion if its centre lies in the lesion's box; each lesion is found once, and further "
                "boxes on it count neither as found nor as false"
            )
        return (
            f"a box is on a lesion at an IoU of {self.overlap:g} or more with the lesion's box; each lesion is found "
            "once, and further boxes on it are false"
        )

    def nearness(self, boxes: torch.Tensor, lesions: torch.Tensor) -> torch.Tensor:
        """(N, M) how well each box lies on each lesion, above 0 only where it is on it; both xyxy."""
        overlap: torch.Tensor = box_iou(boxes, lesions)
        if self.overlap is not None:
            return overlap.where(overlap >= self.overlap, 0.0)
        centre = (boxes[:, :2] + boxes[:, 2:])[:, None] / 2
        inside = ((centre >= lesions[None, :, :2]) & (centre <= lesions[None, :, 2:])).all(dim=2)
        return overlap.where(inside, 0.0)


AT_HALF = Hit(0.5)


def found_boxes(
    truths: list[Truth], found: list[dict[str, torch.Tensor]], hit: Hit = AT_HALF, *, class_agnostic: bool = True
) -> FoundBoxes:
    """Boxes on a lesion and false ones: each, strongest first, claims the free lesion that it is on and overlaps most.

    Args:
        truths: Annotated boxes per image.
        found: ``boxes``, ``labels`` (from 1) and ``scores`` per image, in the same pixels.
        hit: When a box is on a lesion.
        class_agnostic: Any class counts; else a box claims lesions of its own class only.
    """
    scores: list[float] = []
    hits: list[bool] = []
    images: list[int] = []
    for image, (truth, item) in enumerate(zip(truths, found, strict=True)):
        strengths, claims = claims_of(truth, item, hit, class_agnostic=class_agnostic)
        counted = [(score, claim >= 0) for score, claim in zip(strengths, claims, strict=True) if claim != AGAIN]
        scores += [score for score, _ in counted]
        hits += [on_lesion for _, on_lesion in counted]
        images += [image] * len(counted)
    return FoundBoxes.ranked(scores, hits, images, [len(truth.boxes) for truth in truths])


def claims_of(
    truth: Truth, item: dict[str, torch.Tensor], hit: Hit = AT_HALF, *, class_agnostic: bool = True
) -> tuple[list[float], list[int]]:
    """Scores of one image's boxes, strongest first, and the lesion that each claimed, FALSE or AGAIN."""
    near = hit.nearness(item["boxes"], truth.boxes)
    if not class_agnostic:
        near = near * (item["labels"][:, None] == truth.labels[None] + 1)
    on_any = (near > 0).any(dim=1)
    scores: list[float] = []
    claims: list[int] = []
    for place in item["scores"].argsort(descending=True, stable=True).tolist():
        best = int(near[place].argmax()) if len(truth.boxes) else FALSE
        claimed = best >= 0 and bool(near[place, best] > 0)
        if claimed:
            near[:, best] = 0
        repeated = hit.overlap is None and bool(on_any[place])
        scores.append(float(item["scores"][place]))
        claims.append(best if claimed else AGAIN if repeated else FALSE)
    return scores, claims
