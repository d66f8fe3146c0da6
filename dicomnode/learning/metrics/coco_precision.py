"""COCO's average precision: boxes matched by its reference implementation, summed up for many weightings at once."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dicomnode.learning.metrics.calibration import Floats, Ints
from dicomnode.learning.metrics.lesions import Truth
from dicomnode.learning.metrics.weighted_figures import share

_MOST = 100
"""Boxes of one class that COCO looks at in one image, the strongest."""
_RECALLS = np.linspace(0.0, 1.0, 101)
_OVERLAPS = np.linspace(0.5, 0.95, 10)
_AT_50, _AT_75 = 0, 5


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """COCO's average precision; NaN where there is no lesion.

    Attributes:
        ap50: At an intersection over union of 0.50, mean over classes.
        ap: Mean over 0.50, 0.55 .. 0.95.
        ap75: At 0.75.
        by_class: Per class index, AP at 0.50 and mean AP; of classes that have lesions.
    """

    ap50: float
    ap: float
    ap75: float
    by_class: dict[int, tuple[float, float]]

    def summary(self) -> dict[str, float]:
        """The three headline figures."""
        return {"ap50": self.ap50, "ap": self.ap, "ap75": self.ap75}


@dataclass(frozen=True, slots=True)
class RankedMatches:
    """The boxes of one class down their ranking, at one overlap.

    Attributes:
        hits: (H,) image of each box that COCO put on a lesion, the strongest first.
        false: (images, H) false boxes of an image that rank before a hit and behind the one before it.
    """

    hits: Ints
    false: Floats

    def precision(self, weights: Floats, lesions: Floats) -> Floats:
        """(R,) average precision; NaN where there is no lesion.

        Precision falls between two hits only, and what a recall is worth is the highest precision from there on, so
        that the hits alone decide.

        Args:
            weights: (R, images) how often each image counts.
            lesions: (R,) lesions there are.
        """
        found, false = np.cumsum(weights[:, self.hits], axis=1), np.cumsum(weights @ self.false, axis=1)
        best = np.maximum.accumulate(share(found, found + false, 0.0)[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(_RECALLS, share(found, lesions[:, None], 0.0), side="right")
        total = (np.diff(reached, axis=1, prepend=0) * best).sum(axis=1) / len(_RECALLS)
        return np.where(lesions > 0, total, np.nan)


@dataclass(frozen=True, slots=True)
class Matches:
    """Which boxes are on which lesions, for every class that has lesions.

    Attributes:
        lesions: By class index, (images,) number of lesions.
        ranked: By class index, the boxes at each of the ten overlaps.
    """

    lesions: dict[int, Floats]
    ranked: dict[int, tuple[RankedMatches, ...]]

    def precisions(self, weights: Floats) -> dict[str, Floats]:
        """(R,) values of ``ap50``, ``ap``, ``ap75`` and, as ``<class>/ap50`` and ``<class>/ap``, of each class.

        Args:
            weights: (R, images) how often each image counts.
        """
        shape = (len(self.lesions), len(_OVERLAPS), len(weights))
        every = np.full(shape, np.nan)  # class, overlap, weighting
        for place, (index, lesions) in enumerate(self.lesions.items()):
            every[place] = [one.precision(weights, weights @ lesions) for one in self.ranked[index]]
        by_class: dict[str, Floats] = {}
        for place, index in enumerate(self.lesions):
            by_class |= {f"{index}/ap50": every[place, _AT_50], f"{index}/ap": every[place].mean(axis=0)}
        known = ~np.isnan(every)
        means = share(np.where(known, every, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))
        return {"ap50": means[_AT_50], "ap": means.mean(axis=0), "ap75": means[_AT_75], **by_class}


def average_precision(
    truths: list[Truth], found: list[dict[str, torch.Tensor]], *, class_agnostic: bool = False
) -> AveragePrecision:
    """Average precision of the boxes of a set of images; for the arguments see `match_boxes`."""
    matches = match_boxes(truths, found, class_agnostic=class_agnostic)
    values = {name: float(value[0]) for name, value in matches.precisions(np.ones((1, len(truths)))).items()}
    by_class = {index: (values[f"{index}/ap50"], values[f"{index}/ap"]) for index in matches.lesions}
    return AveragePrecision(values["ap50"], values["ap"], values["ap75"], by_class)


def match_boxes(truths: list[Truth], found: list[dict[str, torch.Tensor]], *, class_agnostic: bool = False) -> Matches:
    """COCO's matching of boxes to lesions.

    Args:
        truths: Annotated boxes per image.
        found: ``boxes``, ``labels`` (from 1) and ``scores`` per image, in the same pixels.
        class_agnostic: Count every box as of one kind: was the lesion found, whatever it was called?
    """
    labels = [torch.zeros_like(truth.labels) if class_agnostic else truth.labels for truth in truths]
    classes = sorted({label for image in labels for label in image.tolist()})
    lesions = {index: np.array([float((image == index).sum()) for image in labels]) for index in classes}
    results = _coco_results(found, class_agnostic)
    images: list[Any] = _evaluated(_coco_truth(truths, class_agnostic), results) if results and classes else []
    ranked = {}
    for place, index in enumerate(classes):
        own = images[place * len(truths) : (place + 1) * len(truths)]
        ranked[index] = tuple(_ranked(own, overlap, len(truths)) for overlap in range(len(_OVERLAPS)))
    return Matches(lesions, ranked)


def _evaluated(reference: dict[str, Any], results: list[dict[str, Any]]) -> list[Any]:
    """COCO's findings for each class and, within it, each image; None where it has neither lesion nor box."""
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        coco = COCO()
        coco.dataset = reference
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.params.areaRng, run.params.areaRngLbl = run.params.areaRng[:1], run.params.areaRngLbl[:1]
        run.params.iouThrs, run.params.maxDets = _OVERLAPS, [_MOST]
        run.evaluate()
    images: list[Any] = run.evalImgs
    return images


def _ranked(images: list[Any], overlap: int, count: int) -> RankedMatches:
    known = [(place, image) for place, image in enumerate(images) if image is not None]
    scores = np.array([score for _, image in known for score in image["dtScores"]])
    where = np.array([place for place, image in known for _ in image["dtScores"]], dtype=np.int64)
    on_lesion = np.concatenate([np.zeros(0, np.bool_), *(image["dtMatches"][overlap] > 0 for _, image in known)])
    order = np.argsort(-scores, kind="stable")
    where, on_lesion = where[order], on_lesion[order]
    hits = where[on_lesion]
    next_hit = np.cumsum(on_lesion)[~on_lesion]
    false = np.zeros((count, len(hits) + 1))
    np.add.at(false, (where[~on_lesion], next_hit), 1.0)
    return RankedMatches(hits, false[:, :-1])


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
