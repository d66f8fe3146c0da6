"""The plots of a model for mammography exams: ROC and precision-recall over breasts, the spread of their scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from dicomnode.learning.metrics.calibration import Floats
from dicomnode.learning.metrics.exam_metrics import BreastScores
from dicomnode.learning.metrics.weighted_figures import Bools
from dicomnode.learning.report.drawing import ACCENT, INK, QUIET, WRONG, Plot, canvas, finished, number, series


def exam_plots(answers: BreastScores, figures: Mapping[str, Any], names: Sequence[str]) -> tuple[Plot, ...]:
    """Every plot of one set of exams.

    Args:
        answers: The breasts.
        figures: Their `ExamFigures` as the report has them; what is not defined is None.
        names: Of the classes.
    """
    return roc_plot(answers, figures, names), precision_recall_plot(answers, figures, names), score_plot(answers)


def roc_plot(answers: BreastScores, figures: Mapping[str, Any], names: Sequence[str]) -> Plot:
    """Sensitivity against the share of false alarms over breasts, a line for each class."""
    with canvas() as (figure, (axes,)):
        for place, (name, scores, truths) in enumerate(_classes(answers, names)):
            if truths.any() and not truths.all():
                false, true, _ = roc_curve(truths, scores)
                colour, dash = series(place)
                label = f"{name} {number(figures['classes'][name]['breast_auc'])}"
                axes.plot(false, true, color=colour, linestyle=dash, label=label)
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=":")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="false positive rate", ylabel="sensitivity")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower right", title="area under the curve")
        says = f"Area {number(figures['breast_auc'])} over {figures['breasts']} breasts, for the class that answers"
        return finished(figure, "roc", "ROC over breasts", says)


def precision_recall_plot(answers: BreastScores, figures: Mapping[str, Any], names: Sequence[str]) -> Plot:
    """Precision against recall over breasts, a line for each class."""
    with canvas() as (figure, (axes,)):
        for place, (name, scores, truths) in enumerate(_classes(answers, names)):
            if truths.any():
                precision, recall, _ = precision_recall_curve(truths, scores, drop_intermediate=True)
                colour, dash = series(place)
                label = f"{name} {number(figures['classes'][name]['breast_pr_auc'])}"
                axes.plot(recall, precision, color=colour, linestyle=dash, label=label)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="recall", ylabel="precision")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left", title="average precision")
        says = f"Average precision {number(figures['breast_pr_auc'])} over breasts, for the class that answers"
        return finished(figure, "precision_recall", "Precision and recall over breasts", says)


def score_plot(answers: BreastScores) -> Plot:
    """How the scores of breasts with and without the class that answers spread around the operating point."""
    edges, positive = np.linspace(0, 1, 41).tolist(), answers.finding_truths
    with canvas() as (figure, (axes,)):
        for name, chosen, colour in (("without", ~positive, ACCENT), ("with", positive, WRONG)):
            if chosen.any():
                label = f"{name} ({chosen.sum()})"
                axes.hist(answers.finding_scores[chosen], edges, color=colour, alpha=0.5, label=label)
        axes.axvline(answers.threshold, color=INK, linewidth=1.2, linestyle="--", label="operating point")
        axes.set(xlim=(0, 1), yscale="log", xlabel="score of the class that answers", ylabel="breasts")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, handlelength=1.2, columnspacing=1.0)
        says = f"Scores of breasts with and without a finding; the operating point is {answers.threshold:g}"
        return finished(figure, "scores", "Scores of breasts", says)


def _classes(answers: BreastScores, names: Sequence[str]) -> Iterator[tuple[str, Floats, Bools]]:
    for index, name in enumerate(names):
        yield name, answers.scores[:, index], answers.truths[:, index]
