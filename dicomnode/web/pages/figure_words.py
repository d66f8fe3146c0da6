"""What the figures of a measurement are called, in the order in which a page shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dicomnode.bundles.measured import Figure, MeasuredRows
from dicomnode.web.languages import marked

FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "sensitivity": marked("Sensitivity at the operating point"),
        "specificity": marked("Specificity at the operating point"),
        "ppv": marked("Positive predictive value"),
        "npv": marked("Negative predictive value"),
        "auc": marked("AUC, finding against none"),
        "pr_auc": marked("Average precision, finding against none"),
        "accuracy": marked("Accuracy of the most probable class"),
        "balanced_accuracy": marked("Balanced accuracy"),
        "binary_accuracy": marked("Accuracy, finding or none"),
        "macro_precision": marked("Precision, mean over classes"),
        "macro_recall": marked("Recall, mean over classes"),
        "macro_f1": marked("F1, mean over classes"),
        "weighted_precision": marked("Precision, weighted by class size"),
        "weighted_recall": marked("Recall, weighted by class size"),
        "weighted_f1": marked("F1, weighted by class size"),
        "macro_auc": marked("AUC, mean over classes"),
        "macro_pr_auc": marked("Average precision, mean over classes"),
        "precision_at_recall": marked("Precision at the target sensitivity"),
        "fnr": marked("False negative rate"),
        "fpr": marked("False positive rate"),
        "fn_percent_of_images": marked("Missed findings, percent of all images"),
        "fp_percent_of_images": marked("False alarms, percent of all images"),
        "ece": marked("Expected calibration error"),
        "ap50": marked("Average precision at IoU 0.50"),
        "ap": marked("Average precision at IoU 0.50 to 0.95"),
        "ap75": marked("Average precision at IoU 0.75"),
        "ap50_any_class": marked("Average precision at IoU 0.50, any class"),
        "cpm": marked("CPM: mean sensitivity at 1/8 to 8 false boxes per image"),
        "sensitivity_at_1_false_positive": marked("Sensitivity at one false box per image"),
        "false_positives_per_image": marked("False boxes per image at the operating point"),
        "mask_dice": marked("Dice coefficient of masks"),
        "breast_auc": marked("AUC per breast"),
        "breast_pr_auc": marked("Average precision per breast"),
        "exam_auc": marked("AUC per exam"),
        "exam_pr_auc": marked("Average precision per exam"),
        "exam_sensitivity": marked("Sensitivity per exam"),
        "exam_specificity": marked("Specificity per exam"),
    }
)
OF_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "precision": marked("Precision"),
        "recall": marked("Recall"),
        "f1": marked("F1"),
        "auc": marked("AUC"),
        "pr_auc": marked("Average precision"),
        "ap50": marked("AP at IoU 0.50"),
        "ap": marked("AP at IoU 0.50 to 0.95"),
        "breast_auc": marked("AUC per breast"),
        "breast_pr_auc": marked("Average precision per breast"),
        "exam_auc": marked("AUC per exam"),
        "exam_pr_auc": marked("Average precision per exam"),
    }
)
# What a reader looks for first, by the kind of answer
MAIN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classification": ("sensitivity", "specificity", "auc", "accuracy"),
        "detection": ("ap50", "cpm", "sensitivity", "false_positives_per_image"),
        "exam": ("breast_auc", "sensitivity", "specificity", "exam_auc"),
    }
)


@dataclass(frozen=True, slots=True)
class FigureCell:
    """A figure as digits, with the ends of its interval; what is not defined is empty."""

    value: str = ""
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A line of a table: what it is about, in English, and a cell for each column."""

    title: str
    cells: tuple[FigureCell, ...]


def figure_rows(choices: Sequence[MeasuredRows], names: Iterable[str] = FIGURES) -> list[FigureRow]:
    """Every figure of some names that is defined anywhere, a column for each choice of cases."""
    rows = []
    for name in names:
        found = [choice.figures.get(name) for choice in choices]
        if any(figure is not None and figure.value is not None for figure in found):
            rows.append(FigureRow(FIGURES[name], tuple(cell(figure) for figure in found)))
    return rows


def class_rows(choice: MeasuredRows) -> tuple[tuple[str, ...], list[FigureRow]]:
    """Titles of the columns in English, and a line for each class."""
    names = [name for name in OF_CLASSES if any(name in figures for figures in choice.classes.values())]
    lines = [
        FigureRow(name, tuple(cell(figures.get(one)) for one in names)) for name, figures in choice.classes.items()
    ]
    return tuple(OF_CLASSES[name] for name in names), lines


def main_figures(task: str, choices: Sequence[MeasuredRows]) -> list[FigureRow]:
    """The few that a reader looks for first."""
    return figure_rows(choices, MAIN.get(task, ()))


def cell(figure: Figure | None) -> FigureCell:
    """A figure as digits."""
    if figure is None or figure.value is None:
        return FigureCell()
    if figure.low is None or figure.high is None:
        return FigureCell(f"{figure.value:.3f}")
    return FigureCell(f"{figure.value:.3f}", f"{figure.low:.3f}", f"{figure.high:.3f}")
