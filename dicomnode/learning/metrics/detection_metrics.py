"""Figures of a detector: COCO's average precision, and sensitivity against false positives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from dicomnode.learning.metrics.calibration import Floats
from dicomnode.learning.metrics.coco_precision import Matches, match_boxes
from dicomnode.learning.metrics.froc import FROC_RATES, FoundBoxes
from dicomnode.learning.metrics.lesions import AT_HALF, Hit, Truth, found_boxes
from dicomnode.learning.metrics.resampling import Interval, bootstrap, resampled_by
from dicomnode.learning.metrics.weighted_figures import share

Dice: TypeAlias = tuple[tuple[float, ...], ...]
"""For each image, the Dice coefficients of the masks of lesions found, 0..1."""

_RESAMPLES = 1000
_CLASS_FIGURES = ("ap50", "ap")
_AT_ONE = list(FROC_RATES).index("1")


@dataclass(frozen=True, slots=True)
class ClassPrecision:
    """Average precision of one kind of lesion, with 95 % bootstrap intervals; NaN if there is no such lesion."""

    ap50: float
    ap: float
    lesions: int
    intervals: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class FrocPoint:
    """A point of the FROC curve.

    Attributes:
        false_positives_per_image: The rate that is allowed.
        sensitivity: Highest share of lesions found within it.
        interval: 95 % bootstrap interval of it.
    """

    false_positives_per_image: float
    sensitivity: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class DetectionFigures:
    """What `dicomnode evaluate` reports of a detector.

    Attributes:
        images: Number of images.
        lesions: Annotated boxes.
        ap50: COCO average precision at IoU 0.50, mean over classes.
        ap: Mean over IoU 0.50 .. 0.95.
        ap75: At IoU 0.75.
        ap50_any_class: At IoU 0.50 with all classes as one.
        classes: By class name.
        hit: When a box counts as on a lesion in the figures that follow, in words; of any class.
        froc: Sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false boxes per image on average, by these names.
        cpm: Competition performance metric: their mean.
        sensitivity_at_1_false_positive: The fourth of them.
        sensitivity: Share of lesions found at the operating point.
        false_positives_per_image: At the operating point.
        mask_dice: Mean Dice coefficient of the masks of lesions found at the operating point; NaN without such masks.
        mask_lesions: Lesions that it is the mean of: found, and annotated with an outline or mask.
        intervals: 95 % bootstrap intervals by figure; NaN if all images are of one patient.
        resampled: ``patient`` or ``image``.
    """

    images: int
    lesions: int
    ap50: float
    ap: float
    ap75: float
    ap50_any_class: float
    classes: dict[str, ClassPrecision]
    hit: str
    froc: dict[str, FrocPoint]
    cpm: float
    sensitivity_at_1_false_positive: float
    sensitivity: float
    false_positives_per_image: float
    mask_dice: float
    mask_lesions: int
    intervals: dict[str, Interval]
    resampled: str


@dataclass(frozen=True, slots=True)
class DetectionSubgroup:
    """The main figures of the images that share a value of a column."""

    images: int
    lesions: int
    ap50: float
    sensitivity: float
    false_positives_per_image: float
    intervals: dict[str, Interval]
    resampled: str


@dataclass(frozen=True, slots=True)
class Boxes:
    """What a detector answered for one set of images.

    Attributes:
        truths: Annotated boxes per image.
        found: ``boxes``, ``labels`` (from 1) and ``scores`` per image, in the same pixels.
        groups: One string per image; images of one group (patient) are resampled together.
        threshold: Operating point on the score of a box.
        hit: When a box is on a lesion, for all but average precision.
        dice: Of the lesions found at the operating point; empty if no masks were compared.
    """

    truths: list[Truth]
    found: list[dict[str, torch.Tensor]]
    groups: tuple[str, ...]
    threshold: float
    hit: Hit = AT_HALF
    dice: Dice = ()

    def subset(self, chosen: Sequence[int]) -> Boxes:
        """The same for some of the images, repetitions allowed."""
        groups = tuple(self.groups[index] for index in chosen)
        truths, found = [self.truths[index] for index in chosen], [self.found[index] for index in chosen]
        dice = tuple(self.dice[index] for index in chosen) if self.dice else ()
        return Boxes(truths, found, groups, self.threshold, self.hit, dice)

    @property
    def lesions(self) -> int:
        """Annotated boxes in all images."""
        return sum(len(truth.boxes) for truth in self.truths)


def detection_figures(boxes: Boxes, names: Sequence[str], seed: int) -> DetectionFigures:
    """Every figure of one set of images."""
    ranking = found_boxes(boxes.truths, boxes.found, boxes.hit)
    by_class = match_boxes(boxes.truths, boxes.found)
    any_class = match_boxes(boxes.truths, boxes.found, class_agnostic=True)

    def figures(weights: Floats) -> dict[str, Floats]:
        values = by_class.precisions(weights) | {"ap50_any_class": any_class.precisions(weights)["ap50"]}
        values |= _operating_figures(ranking, boxes.threshold, weights) | _froc_figures(ranking, weights)
        return values | {"mask_dice": _mean_dice(boxes.dice, weights)}

    values = {name: float(value[0]) for name, value in figures(np.ones((1, len(boxes.truths)))).items()}
    intervals = bootstrap(boxes.groups, figures, _RESAMPLES, seed)
    overall = {name: value for name, value in values.items() if "/" not in name}
    return DetectionFigures(
        images=len(boxes.truths),
        lesions=boxes.lesions,
        mask_lesions=sum(map(len, boxes.dice)),
        classes={name: _of_class(index, by_class, values, intervals) for index, name in enumerate(names)},
        hit=boxes.hit.rule,
        froc={
            name: FrocPoint(rate, values[f"froc/{name}"], intervals[f"froc/{name}"])
            for name, rate in FROC_RATES.items()
        },
        intervals={name: intervals[name] for name in overall},
        resampled=resampled_by(boxes.groups),
        **overall,
    )


def detection_subgroup(boxes: Boxes, seed: int) -> DetectionSubgroup:
    """The main figures of a part of the images."""
    ranking, matches = found_boxes(boxes.truths, boxes.found, boxes.hit), match_boxes(boxes.truths, boxes.found)

    def figures(weights: Floats) -> dict[str, Floats]:
        return {"ap50": matches.precisions(weights)["ap50"]} | _operating_figures(ranking, boxes.threshold, weights)

    return DetectionSubgroup(
        images=len(boxes.truths),
        lesions=boxes.lesions,
        intervals=bootstrap(boxes.groups, figures, _RESAMPLES, seed),
        resampled=resampled_by(boxes.groups),
        **{name: float(value[0]) for name, value in figures(np.ones((1, len(boxes.truths)))).items()},
    )


def _froc_figures(ranking: FoundBoxes, weights: Floats) -> dict[str, Floats]:
    """The seven points of the FROC curve as ``froc/<rate>``, their mean, and that at one false box again."""
    points = ranking.sensitivities(list(FROC_RATES.values()), weights)
    named = {f"froc/{name}": row for name, row in zip(FROC_RATES, points, strict=True)}
    return named | {"cpm": points.mean(axis=0), "sensitivity_at_1_false_positive": points[_AT_ONE]}


def _operating_figures(ranking: FoundBoxes, threshold: float, weights: Floats) -> dict[str, Floats]:
    sensitivity, false = ranking.above(threshold, weights)
    return {"sensitivity": sensitivity, "false_positives_per_image": false}


def _mean_dice(dice: Dice, weights: Floats) -> Floats:
    """(R,) mean over lesions."""
    if not dice:
        return np.full(len(weights), np.nan)
    sums, counts = np.array([sum(image) for image in dice]), np.array([float(len(image)) for image in dice])
    return share(weights @ sums, weights @ counts)


def _of_class(
    index: int, matches: Matches, values: Mapping[str, float], intervals: Mapping[str, Interval]
) -> ClassPrecision:
    if index not in matches.lesions:
        nothing = float("nan")
        return ClassPrecision(nothing, nothing, 0, dict.fromkeys(_CLASS_FIGURES, (nothing, nothing)))
    return ClassPrecision(
        lesions=int(matches.lesions[index].sum()),
        intervals={name: intervals[f"{index}/{name}"] for name in _CLASS_FIGURES},
        **{name: values[f"{index}/{name}"] for name in _CLASS_FIGURES},
    )
