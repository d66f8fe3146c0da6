"""Annotated lesions, and which of the boxes found are on one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torchvision.ops import box_iou

from dicomnode.learning.metrics.calibration import Floats, Ints
from dicomnode.learning.metrics.weighted_figures import share

_HIT = 0.5


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
class FoundBoxes:
    """Every box found in a set of images, the strongest first, and whether it is on a lesion.

    Attributes:
        scores: (N,) falling.
        hits: (N,) whether the box claimed a lesion that no stronger one had.
        image: (N,) index of its image.
        lesions: (images,) lesions in each image.
    """

    scores: Floats
    hits: npt.NDArray[np.bool_]
    image: Ints
    lesions: Ints

    def froc(self, weights: Floats) -> tuple[Floats, Floats]:
        """The FROC curve down the ranking: shares of lesions found and false boxes per image, nothing found first.

        Args:
            weights: (R, images) how often each image counts.

        Returns:
            (R, N + 1) each; NaN shares where there is no lesion.
        """
        by_box = np.pad(weights[:, self.image], ((0, 0), (1, 0)))
        on_lesion = np.concatenate([[False], self.hits])
        lesions = weights @ self.lesions.astype(np.float64)
        found = share(np.cumsum(by_box * on_lesion, axis=1), lesions[:, None])
        return found, np.cumsum(by_box * ~on_lesion, axis=1) / weights.sum(axis=1, keepdims=True)

    def above(self, threshold: float, weights: Floats) -> tuple[Floats, Floats]:
        """(R,) share of lesions found and false boxes per image by boxes that reach a threshold."""
        found, false = self.froc(weights)
        kept = int((self.scores >= threshold).sum())
        return found[:, kept], false[:, kept]

    def sensitivity_at(self, false_per_image: float, weights: Floats) -> Floats:
        """(R,) highest share of lesions found while the false boxes per image stay within a number."""
        found, false = self.froc(weights)
        within: Floats = np.where(false <= false_per_image, found, 0.0 * found)
        return np.asarray(within.max(axis=1))


def found_boxes(
    truths: list[Truth], found: list[dict[str, torch.Tensor]], *, class_agnostic: bool = True
) -> FoundBoxes:
    """Boxes on a lesion: each, strongest first, claims the free lesion it overlaps most, at IoU >= 0.5.

    Args:
        truths: Annotated boxes per image.
        found: ``boxes``, ``labels`` (from 1) and ``scores`` per image, in the same pixels.
        class_agnostic: Any class counts; else a box claims lesions of its own class only.
    """
    scores: list[float] = []
    hits: list[bool] = []
    images: list[int] = []
    for image, (truth, item) in enumerate(zip(truths, found, strict=True)):
        strengths, claims = claims_of(truth, item, class_agnostic=class_agnostic)
        scores += strengths
        hits += [lesion >= 0 for lesion in claims]
        images += [image] * len(claims)
    order = np.argsort(-np.array(scores), kind="stable")
    lesions = np.array([len(truth.boxes) for truth in truths], dtype=np.int64)
    return FoundBoxes(
        np.array(scores)[order],
        np.array(hits, dtype=np.bool_)[order],
        np.array(images, dtype=np.int64)[order],
        lesions,
    )


def claims_of(
    truth: Truth, item: dict[str, torch.Tensor], *, class_agnostic: bool = True
) -> tuple[list[float], list[int]]:
    """Scores of one image's boxes, strongest first, and the lesion that each claimed, or -1."""
    overlap = box_iou(item["boxes"], truth.boxes)
    if not class_agnostic:
        overlap = overlap * (item["labels"][:, None] == truth.labels[None] + 1)
    scores: list[float] = []
    claims: list[int] = []
    for place in item["scores"].argsort(descending=True).tolist():
        best = int(overlap[place].argmax()) if len(truth.boxes) else -1
        hit = best >= 0 and bool(overlap[place, best] >= _HIT)
        if hit:
            overlap[:, best] = 0
        scores.append(float(item["scores"][place]))
        claims.append(best if hit else -1)
    return scores, claims
