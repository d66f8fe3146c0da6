"""Figures of a detector: COCO's average precision, and sensitivity against false positives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dicomnode.learning.metrics.calibration import Floats
from dicomnode.learning.metrics.coco_precision import AveragePrecision, average_precision
from dicomnode.learning.metrics.lesions import FoundBoxes, Truth, found_boxes
from dicomnode.learning.metrics.resampling import Interval, bootstrap, resampled_by

_RESAMPLES = 200
_CLASS_FIGURES = ("ap50", "ap")


@dataclass(frozen=True, slots=True)
class ClassPrecision:
    """Average precision of one kind of lesion, with 95 % bootstrap intervals; NaN if there is no such lesion."""

    ap50: float
    ap: float
    lesions: int
    intervals: dict[str, Interval]


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
        sensitivity_at_1_false_positive: Lesions found (IoU >= 0.5, any class) at one false box per image on average.
        sensitivity: The same at the operating point.
        false_positives_per_image: At the operating point.
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
    sensitivity_at_1_false_positive: float
    sensitivity: float
    false_positives_per_image: float
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
    """

    truths: list[Truth]
    found: list[dict[str, torch.Tensor]]
    groups: tuple[str, ...]
    threshold: float

    def subset(self, chosen: Sequence[int]) -> Boxes:
        """The same for some of the images, repetitions allowed."""
        groups = tuple(self.groups[index] for index in chosen)
        return Boxes([self.truths[i] for i in chosen], [self.found[i] for i in chosen], groups, self.threshold)


def detection_figures(boxes: Boxes, names: Sequence[str], seed: int) -> DetectionFigures:
    """Every figure of one set of images."""
    measured = average_precision(boxes.truths, boxes.found)
    figures = _weighted(boxes, _froc_figures)
    once = figures(np.ones((1, len(boxes.truths))))
    resampled = _weighted(boxes, _froc_figures, ("ap50", "ap", "ap75", *_class_names(len(names))))
    intervals = bootstrap(boxes.groups, resampled, _RESAMPLES, seed)
    return DetectionFigures(
        images=len(boxes.truths),
        lesions=sum(len(truth.boxes) for truth in boxes.truths),
        **measured.summary(),
        ap50_any_class=average_precision(boxes.truths, boxes.found, class_agnostic=True).ap50,
        classes={name: _of_class(measured, boxes.truths, index, intervals) for index, name in enumerate(names)},
        intervals={name: bounds for name, bounds in intervals.items() if "/" not in name},
        resampled=resampled_by(boxes.groups),
        **{name: float(value[0]) for name, value in once.items()},
    )


def detection_subgroup(boxes: Boxes, seed: int) -> DetectionSubgroup:
    """The main figures of a part of the images."""
    figures = _weighted(boxes, _operating_figures, ("ap50",))
    return DetectionSubgroup(
        images=len(boxes.truths),
        lesions=sum(len(truth.boxes) for truth in boxes.truths),
        intervals=bootstrap(boxes.groups, figures, _RESAMPLES, seed),
        resampled=resampled_by(boxes.groups),
        **{name: float(value[0]) for name, value in figures(np.ones((1, len(boxes.truths)))).items()},
    )


def _weighted(
    boxes: Boxes,
    rates: Callable[[FoundBoxes, float, Floats], dict[str, Floats]],
    precisions: Sequence[str] = (),
) -> Callable[[Floats], dict[str, Floats]]:
    """From (R, images) weights to ``rates`` and to COCO's ``precisions``, which take one weighting at a time."""
    ranking = found_boxes(boxes.truths, boxes.found)

    def figures(weights: Floats) -> dict[str, Floats]:
        values = rates(ranking, boxes.threshold, weights)
        rows = [_repeated_precision(boxes, row) for row in weights] if precisions else []
        return values | {name: np.array([row.get(name, np.nan) for row in rows]) for name in precisions}

    return figures


def _repeated_precision(boxes: Boxes, weights: Floats) -> dict[str, float]:
    drawn = boxes.subset(np.repeat(np.arange(len(weights)), weights.astype(np.int64)).tolist())
    measured = average_precision(drawn.truths, drawn.found)
    by_class = {
        f"{index}/{name}": value
        for index, values in measured.by_class.items()
        for name, value in zip(_CLASS_FIGURES, values, strict=True)
    }
    return measured.summary() | by_class


def _class_names(classes: int) -> list[str]:
    return [f"{index}/{name}" for index in range(classes) for name in _CLASS_FIGURES]


def _froc_figures(ranking: FoundBoxes, threshold: float, weights: Floats) -> dict[str, Floats]:
    """The operating point, and the sensitivity at one false box per image: a point of the FROC curve."""
    return _operating_figures(ranking, threshold, weights) | {
        "sensitivity_at_1_false_positive": ranking.sensitivity_at(1.0, weights)
    }


def _operating_figures(ranking: FoundBoxes, threshold: float, weights: Floats) -> dict[str, Floats]:
    sensitivity, false = ranking.above(threshold, weights)
    return {"sensitivity": sensitivity, "false_positives_per_image": false}


def _of_class(
    measured: AveragePrecision, truths: list[Truth], index: int, intervals: Mapping[str, Interval]
) -> ClassPrecision:
    ap50, ap = measured.by_class.get(index, (float("nan"), float("nan")))
    lesions = sum(int((truth.labels == index).sum()) for truth in truths)
    return ClassPrecision(ap50, ap, lesions, {name: intervals[f"{index}/{name}"] for name in _CLASS_FIGURES})
