"""COCO's average precision, by its reference implementation."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dicomnode.learning.metrics.lesions import Truth


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
