"""The plots of a classifier: ROC, precision-recall, calibration, confusion and the spread of its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from sklearn.metrics import precision_recall_curve, roc_curve

from dicomnode.learning.metrics.calibration import Floats, score_bins
from dicomnode.learning.metrics.classification_metrics import Predictions
from dicomnode.learning.metrics.weighted_figures import Bools
from dicomnode.learning.report.drawing import ACCENT, INK, QUIET, WRONG, Plot, canvas, finished, number, series

_BINS = 15
_LONGEST = 14


def classification_plots(
    predictions: Predictions, figures: Mapping[str, Any], names: Sequence[str]
) -> tuple[Plot, ...]:
    """Every plot of one set of images.

    Args:
        predictions: The answers.
        figures: Their `ClassificationFigures` as the report has them; what is not defined is None.
        names: Of the classes.
    """
    return (
        confusion_plot(figures["confusion"], names),
        roc_plot(predictions, figures, names),
        precision_recall_plot(predictions, figures, names),
        reliability_plot(predictions, figures),
        score_plot(predictions),
    )


def roc_plot(predictions: Predictions, figures: Mapping[str, Any], names: Sequence[str]) -> Plot:
    """Sensitivity against the share of false alarms, with the operating point."""
    with canvas() as (figure, (axes,)):
        for place, (name, positive, scores, area) in enumerate(_rankings(predictions, figures, names, "auc")):
            if positive.any() and not positive.all():
                false, true, _ = roc_curve(positive, scores)
                _line(axes, place, false, true, f"{name} {number(area)}")
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=":")
        _operating_point(axes, figures["fpr"], figures["sensitivity"])
        _square(axes, "false positive rate", "sensitivity")
        axes.legend(loc="lower right", title="area under the curve")
        says = f"Area {number(figures['auc'])}; sensitivity {number(figures['sensitivity'])} at the operating point"
        return finished(figure, "roc", "ROC", says)


def precision_recall_plot(predictions: Predictions, figures: Mapping[str, Any], names: Sequence[str]) -> Plot:
    """Precision against recall, with the operating point and the recall that was asked for."""
    with canvas() as (figure, (axes,)):
        for place, (name, positive, scores, area) in enumerate(_rankings(predictions, figures, names, "pr_auc")):
            if positive.any():
                precision, recall, _ = precision_recall_curve(positive, scores, drop_intermediate=True)
                _line(axes, place, recall, precision, f"{name} {number(area)}")
        _operating_point(axes, figures["sensitivity"], figures["ppv"])
        if figures["recall_target"] is not None:
            axes.axvline(figures["recall_target"], color=QUIET, linewidth=0.8, linestyle=":")
        _square(axes, "recall", "precision")
        axes.legend(loc="lower left", title="average precision")
        says = (
            f"Average precision {number(figures['pr_auc'])}; precision {number(figures['ppv'])} at the operating point"
        )
        return finished(figure, "precision_recall", "Precision and recall", says)


def reliability_plot(predictions: Predictions, figures: Mapping[str, Any]) -> Plot:
    """How often the most probable class is right, by its probability, over the bins of the calibration error."""
    error = number(figures["ece"])
    right = predictions.predicted == predictions.labels
    bins = score_bins(predictions.probabilities.max(axis=1), right, _BINS)
    left, width = [low for low, *_ in bins], 1 / _BINS
    counts, shares = [count for _, _, count, *_ in bins], [share for *_, share in bins]
    with canvas((3, 1)) as (figure, (upper, lower)):
        upper.bar(left, shares, width, align="edge", color=ACCENT, alpha=0.55, edgecolor=ACCENT)
        upper.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=":")
        upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right", title=f"calibration error {error}")
        lower.bar(left, counts, width, align="edge", color=QUIET, alpha=0.55)
        lower.set(xlim=(0, 1), xlabel="probability of the most probable class", ylabel="images")
        says = f"Expected calibration error {error} over {_BINS} bins of the highest probability"
        return finished(figure, "calibration", "Calibration", says)


def score_plot(predictions: Predictions) -> Plot:
    """How the scores of images with and without a finding spread around the operating point."""
    edges = np.linspace(0, 1, 41).tolist()
    with canvas() as (figure, (axes,)):
        for name, chosen, colour in (
            ("no finding", ~predictions.positive, ACCENT),
            ("finding", predictions.positive, WRONG),
        ):
            if chosen.any():
                axes.hist(predictions.scores[chosen], edges, color=colour, alpha=0.5, label=f"{name} ({chosen.sum()})")
        axes.axvline(predictions.threshold, color=INK, linewidth=1.2, linestyle="--", label="operating point")
        axes.set(xlim=(0, 1), yscale="log", xlabel="score: 1 - p(no finding)", ylabel="images")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, handlelength=1.2, columnspacing=1.0)
        says = f"Scores of images with and without a finding; the operating point is {predictions.threshold:g}"
        return finished(figure, "scores", "Scores", says)


def confusion_plot(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> Plot:
    """Counts, and percent of each row: of the images of a class, how many were called what."""
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 9 if len(names) <= 4 else 7
    with canvas() as (figure, (axes,)):
        axes.grid(visible=False)
        for row, column in np.ndindex(counts.shape):
            share, right = float(shares[row, column]), row == column
            colour = ACCENT if right else WRONG
            axes.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, color=colour, alpha=0.6 * share, lw=0))
            text = f"{counts[row, column]}\n{100 * share:.1f} %" if counts[row, column] else "0"
            axes.text(column, row, text, ha="center", va="center", fontsize=size)
        labels = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]
        axes.set_xticks(range(len(names)), labels, rotation=0 if len("".join(labels)) < 30 else 40, fontsize=size)
        axes.set_yticks(range(len(names)), labels, fontsize=size)
        axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), xlabel="answered", ylabel="true")
        axes.tick_params(length=0)
        wrong = int(counts.sum() - np.trace(counts))
        says = f"{wrong} of {counts.sum()} images have another class as the most probable one"
        return finished(figure, "confusion", "Confusion matrix", says)


def _rankings(
    predictions: Predictions, figures: Mapping[str, Any], names: Sequence[str], area: str
) -> list[tuple[str, Bools, Floats, float | None]]:
    """Finding against none and, where there are more than two classes, each against the others."""
    found = [("finding", predictions.positive, predictions.scores, figures[area])]
    if len(names) == 2:
        return found
    return found + [
        (name, predictions.labels == index, predictions.probabilities[:, index], figures["classes"][name][area])
        for index, name in enumerate(names)
    ]


def _line(axes: Axes, place: int, x: Floats, y: Floats, label: str) -> None:
    colour, dash = series(place)
    axes.plot(x, y, color=colour, linestyle=dash, label=label, linewidth=2.2 if place == 0 else 1.2)


def _operating_point(axes: Axes, x: float | None, y: float | None) -> None:
    if x is not None and y is not None:
        axes.plot([x], [y], "o", color=INK, label="operating point")


def _square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y)
