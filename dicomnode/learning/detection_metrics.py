"""Figures of a detector: COCO's average precision, and sensitivity against false positives."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.ops import box_iou

from dicomnode.learning.calibration import Floats
from dicomnode.learning.classification_metrics import interval

_HIT = 0.5
_RESAMPLES = 200


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
class AveragePrecision:
    """COCO's average precision.

    Attributes:
        ap50: At an intersection over union of 0.50, mean over classes.
        ap: Mean over 0.50, 0.55 .. 0.95.
        ap75: At 0.75.
        by_class: Per class index, AP at 0.50 and mean AP.
    """

    ap50: float
    ap: float
    ap75: float
    by_class: dict[int, tuple[float, float]]

    def summary(self) -> dict[str, float]:
        """The three headline figures."""
        return {"ap50": self.ap50, "ap": self.ap, "ap75": self.ap75}


@dataclass(frozen=True, slots=True)
class ClassPrecision:
    """Average precision of one kind of lesion."""

    ap50: float
    ap: float
    lesions: int


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
        intervals: 95 % bootstrap intervals by figure.
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
    intervals: dict[str, tuple[float, float]]
    resampled: str


def average_precision(
    truths: list[Truth], found: list[dict[str, torch.Tensor]], *, class_agnostic: bool = False
) -> AveragePrecision:
    """COCOeval over boxes.

    Args:
        truths: Annotated boxes per image.
        found: ``boxes``, ``labels`` (from 1) and ``scores`` per image, in the same pixels.
        class_agnostic: Count every box as of one kind: was the lesion found, whatever it was called?
    """
    reference, results = _coco_truth(truths, class_agnostic), _coco_results(found, class_agnostic)
    if not results:
        return AveragePrecision(0.0, 0.0, 0.0, {})
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        coco = COCO()
        coco.dataset = reference
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    # (T thresholds, R recalls, K classes, A areas, M detections); -1 where a class has no truth.
    precision: Any = run.eval["precision"][:, :, :, 0, -1]
    by_class = {
        identifier - 1: (_mean(precision[0, :, place]), _mean(precision[:, :, place]))
        for place, identifier in enumerate(run.params.catIds)
    }
    return AveragePrecision(float(run.stats[1]), float(run.stats[0]), float(run.stats[2]), by_class)


def _mean(values: Any) -> float:
    values = np.asarray(values)
    values = values[values >= 0]
    return float(values.mean()) if values.size else 0.0


def claimed(
    truths: list[Truth], found: list[dict[str, torch.Tensor]], *, class_agnostic: bool = True
) -> tuple[Floats, npt.NDArray[np.bool_], int]:
    """Which boxes are on a lesion: each, strongest first, claims the free lesion it overlaps most, at IoU >= 0.5.

    Returns:
        (N,) scores of all boxes, (N,) whether each claimed a lesion, and the number of lesions.
    """
    scores: list[float] = []
    hits: list[bool] = []
    for truth, item in zip(truths, found, strict=True):
        overlap = box_iou(item["boxes"], truth.boxes)
        if not class_agnostic:
            overlap = overlap * (item["labels"][:, None] == truth.labels[None] + 1)
        for place in item["scores"].argsort(descending=True).tolist():
            best = int(overlap[place].argmax()) if len(truth.boxes) else -1
            hit = best >= 0 and bool(overlap[place, best] >= _HIT)
            if hit:
                overlap[:, best] = 0
            scores.append(float(item["scores"][place]))
            hits.append(hit)
    return np.array(scores), np.array(hits, dtype=np.bool_), sum(len(truth.boxes) for truth in truths)


def sensitivity_at(scores: Floats, hits: npt.NDArray[np.bool_], lesions: int, false_positives: float) -> float:
    """Highest share of lesions found while the false boxes stay within a number: a point of the FROC curve.

    Args:
        scores: (N,) of all boxes.
        hits: (N,) whether each is on a lesion.
        lesions: Number of lesions.
        false_positives: False boxes allowed in all.
    """
    order = np.argsort(-scores, kind="stable")
    allowed = np.cumsum(~hits[order]) <= false_positives
    return float(hits[order][allowed].sum() / lesions) if lesions else float("nan")


def detection_figures(
    truths: list[Truth],
    found: list[dict[str, torch.Tensor]],
    names: Sequence[str],
    threshold: float,
    groups: Sequence[str],
    seed: int,
) -> DetectionFigures:
    """Every figure of one set of images; ``groups`` are resampled together for the intervals."""
    measured = average_precision(truths, found)
    scores, hits, lesions = claimed(truths, found)
    above = scores >= threshold
    images = len(truths)
    return DetectionFigures(
        images=images,
        lesions=lesions,
        **measured.summary(),
        ap50_any_class=average_precision(truths, found, class_agnostic=True).ap50,
        classes={name: _of_class(measured, truths, index) for index, name in enumerate(names)},
        sensitivity_at_1_false_positive=sensitivity_at(scores, hits, lesions, images),
        sensitivity=float(hits[above].sum() / lesions) if lesions else float("nan"),
        false_positives_per_image=float((~hits[above]).sum() / images),
        intervals=_intervals(truths, found, groups, seed),
        resampled="image" if len(set(groups)) == images else "patient",
    )


def _of_class(measured: AveragePrecision, truths: list[Truth], index: int) -> ClassPrecision:
    ap50, ap = measured.by_class.get(index, (float("nan"), float("nan")))
    return ClassPrecision(ap50, ap, sum(int((truth.labels == index).sum()) for truth in truths))


def _intervals(
    truths: list[Truth], found: list[dict[str, torch.Tensor]], groups: Sequence[str], seed: int
) -> dict[str, tuple[float, float]]:
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    places, random = list(members.values()), np.random.default_rng(seed)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = [index for place in random.integers(len(places), size=len(places)) for index in places[place]]
        drawn.append(average_precision([truths[i] for i in chosen], [found[i] for i in chosen]).summary())
    return {name: interval([figures[name] for figures in drawn]) for name in ("ap50", "ap")}


def _coco_truth(truths: list[Truth], class_agnostic: bool) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for image, truth in enumerate(truths):
        for box, label in zip(_xywh(truth.boxes), truth.labels.tolist(), strict=True):
            category = 1 if class_agnostic else label + 1
            entry = {"id": len(annotations) + 1, "image_id": image, "category_id": category, "iscrowd": 0}
            annotations.append(entry | {"bbox": box, "area": box[2] * box[3]})
    categories = sorted({entry["category_id"] for entry in annotations})
    return {
        "info": {},
        "images": [{"id": image} for image in range(len(truths))],
        "annotations": annotations,
        "categories": [{"id": c, "name": str(c)} for c in categories],
    }


def _coco_results(found: list[dict[str, torch.Tensor]], class_agnostic: bool) -> list[dict[str, Any]]:
    results = []
    for image, item in enumerate(found):
        scores, labels = item["scores"].tolist(), item["labels"].tolist()
        for box, label, score in zip(_xywh(item["boxes"]), labels, scores, strict=True):
            category = 1 if class_agnostic else int(label)
            results.append({"image_id": image, "category_id": category, "bbox": box, "score": score})
    return results


def _xywh(boxes: torch.Tensor) -> list[list[float]]:
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
