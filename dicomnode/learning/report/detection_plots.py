"""The plots of a detector: precision and recall of each class, and FROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dicomnode.learning.metrics.calibration import Floats
from dicomnode.learning.metrics.detection_metrics import Boxes
from dicomnode.learning.metrics.lesions import FoundBoxes, Truth, found_boxes
from dicomnode.learning.report.drawing import INK, Plot, canvas, finished, number, series

_MOST_FALSE = 4.0


def detection_plots(boxes: Boxes, figures: Mapping[str, Any], names: Sequence[str]) -> tuple[Plot, ...]:
    """Every plot of one set of images; ``figures`` are its `DetectionFigures` as the report has them."""
    return precision_recall_plot(boxes, figures, names), froc_plot(boxes, figures)


def precision_recall_plot(boxes: Boxes, figures: Mapping[str, Any], names: Sequence[str]) -> Plot:
    """Precision against recall of the boxes of each class, at an intersection over union of 0.5."""
    with canvas() as (figure, (axes,)):
        for place, name in enumerate(names):
            recall, precision = _curve(of_class(boxes, place))
            colour, dash = series(place)
            label = f"{name} {number(figures['classes'][name]['ap50'])}"
            axes.plot(recall, precision, color=colour, linestyle=dash, label=label)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel="recall", ylabel="precision")
        axes.legend(loc="lower left", title="AP at IoU 0.5")
        says = f"Mean average precision at IoU 0.5: {number(figures['ap50'])}"
        return finished(figure, "precision_recall", "Precision and recall", says)


def froc_plot(boxes: Boxes, figures: Mapping[str, Any]) -> Plot:
    """Sensitivity against false boxes per image, of any class, with the operating point."""
    found, false = found_boxes(boxes.truths, boxes.found).froc(np.ones((1, len(boxes.truths))))
    with canvas() as (figure, (axes,)):
        axes.step(false[0], found[0], where="post", color=series(0)[0])
        if figures["sensitivity"] is not None:
            point = ([figures["false_positives_per_image"]], [figures["sensitivity"]])
            axes.plot(*point, "o", color=INK, label="operating point")
            axes.legend(loc="lower right")
        most = max(1.0, min(_MOST_FALSE, float(false[0, -1])))
        axes.set(xlim=(-0.01 * most, most), ylim=(-0.01, 1.02))
        axes.set(xlabel="false boxes per image", ylabel="share of lesions found")
        reached = number(figures["sensitivity_at_1_false_positive"])
        return finished(figure, "froc", "FROC", f"Sensitivity {reached} at one false box per image")


def of_class(boxes: Boxes, index: int) -> FoundBoxes:
    """The boxes of one class against its lesions."""
    truths = [Truth(truth.boxes[truth.labels == index], truth.labels[truth.labels == index]) for truth in boxes.truths]
    found = [{key: value[item["labels"] == index + 1] for key, value in item.items()} for item in boxes.found]
    return found_boxes(truths, found)


def _curve(boxes: FoundBoxes) -> tuple[Floats, Floats]:
    """Recall and precision down the ranking."""
    hits = np.cumsum(boxes.hits)
    return hits / max(int(boxes.lesions.sum()), 1), hits / np.arange(1, len(hits) + 1)
