"""The plots of a detector: precision and recall of each class, and FROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dicomnode.learning.metrics.calibration import Floats
from dicomnode.learning.metrics.detection_metrics import Boxes
from dicomnode.learning.metrics.froc import FROC_RATES, FoundBoxes
from dicomnode.learning.metrics.lesions import Truth, found_boxes
from dicomnode.learning.report.drawing import INK, Plot, canvas, finished, number, series

_LEAST_FALSE, _MOST_FALSE = 1 / 16, 16.0
"""False boxes per image at the edges of the FROC plot: an octave beyond the rates that are reported."""


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
    """Sensitivity against false boxes per image, of any class: the curve, the seven points and the operating point."""
    found, false = found_boxes(boxes.truths, boxes.found, boxes.hit).curve()
    with canvas() as (figure, (axes,)):
        axes.step(np.maximum(false, _LEAST_FALSE), found, where="post", color=series(0)[0])
        axes.plot([false[-1], _MOST_FALSE], [found[-1], found[-1]], color=series(0)[0], linestyle=":")  # no more boxes
        _froc_points(axes, figures["froc"])
        if figures["sensitivity"] is not None:
            rate = min(max(figures["false_positives_per_image"], _LEAST_FALSE), _MOST_FALSE)
            axes.plot([rate], [figures["sensitivity"]], "o", color=INK, label="operating point", clip_on=False)
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(FROC_RATES.values()), list(FROC_RATES))
        axes.set(xlim=(_LEAST_FALSE, _MOST_FALSE), ylim=(-0.01, 1.02))
        axes.set(xlabel="false boxes per image", ylabel="share of lesions found")
        axes.legend(loc="lower right", title=f"CPM {number(figures['cpm'])}")
        reached = number(figures["sensitivity_at_1_false_positive"])
        says = f"Sensitivity {reached} at one false box per image; CPM {number(figures['cpm'])}: {figures['hit']}"
        return finished(figure, "froc", "FROC", says)


def _froc_points(axes: Axes, points: Mapping[str, Mapping[str, Any]]) -> None:
    """The points that the CPM is the mean of, with their intervals; none where there is no lesion."""
    known = [point for point in points.values() if point["sensitivity"] is not None]
    rates = [point["false_positives_per_image"] for point in known]
    axes.plot(rates, [point["sensitivity"] for point in known], "D", color=series(1)[0], markersize=4, label="points")
    lows, highs = ([point["interval"][edge] for point in known] for edge in (0, 1))
    if known and None not in lows:
        axes.fill_between(rates, lows, highs, color=series(0)[0], alpha=0.18, linewidth=0, label="95 % interval")


def of_class(boxes: Boxes, index: int) -> FoundBoxes:
    """The boxes of one class against its lesions."""
    truths = [Truth(truth.boxes[truth.labels == index], truth.labels[truth.labels == index]) for truth in boxes.truths]
    found = [{key: value[item["labels"] == index + 1] for key, value in item.items()} for item in boxes.found]
    return found_boxes(truths, found)


def _curve(boxes: FoundBoxes) -> tuple[Floats, Floats]:
    """Recall and precision down the ranking."""
    hits = np.cumsum(boxes.hits)
    return hits / max(int(boxes.lesions.sum()), 1), hits / np.arange(1, len(hits) + 1)
