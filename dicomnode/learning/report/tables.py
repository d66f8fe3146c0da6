"""The tables of the page: figures with intervals, classes, subgroups, the run and the check of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

ROWS = MappingProxyType({"all": "all rows", "clean": "leak-free rows"})
"""Leak-free: without a near duplicate in the training split."""

MEANINGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "accuracy": ("Accuracy", "share of images whose most probable class is the right one"),
        "balanced_accuracy": ("Balanced accuracy", "mean recall of the classes that have images"),
        "macro_precision": ("Precision, macro", "mean over the classes"),
        "macro_recall": ("Recall, macro", "mean over the classes"),
        "macro_f1": ("F1, macro", "mean over the classes of the harmonic mean of precision and recall"),
        "weighted_precision": ("Precision, weighted", "mean weighted by the size of the classes"),
        "weighted_recall": ("Recall, weighted", "mean weighted by the size of the classes: the accuracy"),
        "weighted_f1": ("F1, weighted", "mean weighted by the size of the classes"),
        "sensitivity": ("Sensitivity", "share of findings called at the operating point"),
        "specificity": ("Specificity", "share of images without a finding not called at the operating point"),
        "fnr": ("False negative rate", "1 - sensitivity"),
        "fpr": ("False positive rate", "1 - specificity"),
        "fn_percent_of_images": ("FN, % of all images", "missed findings in percent of all images"),
        "fp_percent_of_images": ("FP, % of all images", "false alarms in percent of all images"),
        "binary_accuracy": ("Accuracy, finding or none", "share of images called rightly at the operating point"),
        "ppv": ("Positive predictive value", "precision at the operating point, at the prevalence of these images"),
        "npv": ("Negative predictive value", "likewise for images that are not called"),
        "auc": ("AUC", "area under the ROC curve, finding against none"),
        "pr_auc": ("PR-AUC", "average precision, finding against none"),
        "macro_auc": ("AUC, macro", "mean over the classes of each against the others"),
        "macro_pr_auc": ("PR-AUC, macro", "mean over the classes of each against the others"),
        "precision_at_recall": (
            "Precision at the target recall",
            "highest precision of a threshold that reaches it on these images; a threshold fixed beforehand has less",
        ),
        "ece": ("Calibration error", "expected calibration error of the highest probability, 15 bins"),
        "ap50": ("AP at IoU 0.50", "COCO's average precision, mean over the classes"),
        "ap": ("AP at IoU 0.50:0.95", "mean over ten thresholds of overlap"),
        "ap75": ("AP at IoU 0.75", "COCO's average precision, mean over the classes"),
        "ap50_any_class": ("AP at IoU 0.50, any class", "all classes as one"),
        "sensitivity_at_1_false_positive": (
            "Sensitivity at 1 false box per image",
            "highest share of lesions found, of any class, at one false box per image of all images",
        ),
        "cpm": ("CPM", "mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false boxes per image"),
        "false_positives_per_image": ("False boxes per image", "at the operating point"),
        "mask_dice": ("Dice of masks", "mean over the lesions found at the operating point whose outline is annotated"),
        "breast_auc": ("AUC per breast", "area under the ROC curve over breasts, of the class that answers"),
        "breast_pr_auc": ("PR-AUC per breast", "average precision over breasts, of the class that answers"),
        "exam_auc": ("AUC per exam", "area under the ROC curve over exams; an exam's score is its higher breast's"),
        "exam_pr_auc": ("PR-AUC per exam", "average precision over exams"),
        "exam_sensitivity": ("Sensitivity per exam", "share of exams with a finding of which a breast is called"),
        "exam_specificity": ("Specificity per exam", "share of exams without one of which no breast is called"),
    }
)
MAIN = MappingProxyType(
    {
        "classification": ("accuracy", "sensitivity", "specificity", "auc", "pr_auc", "macro_f1"),
        "detection": ("ap50", "ap", "cpm", "sensitivity", "false_positives_per_image"),
        "exam": ("breast_auc", "breast_pr_auc", "exam_auc", "sensitivity", "specificity"),
    }
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure and its interval, as texts; the interval is empty where there is none."""

    value: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table."""

    title: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures."""

    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]


def cell(figures: Mapping[str, Any], name: str) -> Cell:
    """One figure of a report."""
    bounds = figures.get("intervals", {}).get(name)
    known = bounds is not None and None not in bounds
    return Cell(
        _text(figures.get(name), name), f"{_text(bounds[0], name)} to {_text(bounds[1], name)}" if known else ""
    )


def figure_table(report: Mapping[str, Any], published: Mapping[str, float]) -> Table:
    """Every figure of all rows and the leak-free ones, beside the published."""
    columns = [report[rows] for rows in ROWS if rows in report]
    names = [name for name in columns[0] if name in MEANINGS and any(c[name] is not None for c in columns)]
    matched = {name: published[name] for name in names if name in published}
    rows = [
        Row(
            _title(name, columns[0]),
            (
                *(cell(column, name) for column in columns),
                *((Cell(_text(matched.get(name), name) if name in matched else ""),) if matched else ()),
            ),
        )
        for name in names
    ]
    sizes = [f"{ROWS[rows]}, n = {report[rows]['images']}" for rows in ROWS if rows in report]
    return Table("Figures", ("", *sizes, *(("published",) if matched else ())), tuple(rows))


def class_tables(report: Mapping[str, Any]) -> tuple[Table, ...]:
    """Each class, for all rows and the leak-free ones."""
    titles = {"images": "images", "lesions": "lesions", "precision": "precision", "recall": "recall", "f1": "F1"}
    titles |= {"auc": "AUC", "pr_auc": "PR-AUC", "ap50": "AP 0.50", "ap": "AP 0.50:0.95"}
    titles |= {"breasts": "breasts", "breast_auc": "AUC per breast", "breast_pr_auc": "PR-AUC per breast"}
    titles |= {"exam_auc": "AUC per exam", "exam_pr_auc": "PR-AUC per exam"}
    tables = []
    for rows, title in ROWS.items():
        classes = report.get(rows, {}).get("classes", {})
        if classes:
            names = [name for name in titles if name in next(iter(classes.values()))]
            lines = tuple(Row(label, tuple(cell(one, name) for name in names)) for label, one in classes.items())
            tables.append(Table(f"Classes, {title}", ("class", *(titles[name] for name in names)), lines))
    return tuple(tables)


def froc_table(report: Mapping[str, Any]) -> tuple[Table, ...]:
    """A detector's sensitivity at each rate of false boxes; none for other tasks."""
    points = report["all"].get("froc")
    if points is None:
        return ()
    cells = [
        cell(point | {"intervals": {"sensitivity": point["interval"]}}, "sensitivity") for point in points.values()
    ]
    return (Table("FROC: false boxes per image", ("", *points), (Row("Sensitivity", tuple(cells)),)),)


def subgroup_tables(report: Mapping[str, Any]) -> tuple[Table, ...]:
    """The main figures for every value of a column."""
    tables = []
    for column, values in report.get("subgroups", {}).items():
        names = [name for name, value in next(iter(values.values())).items() if not isinstance(value, dict | str)]
        head = [MEANINGS[name][0] if name in MEANINGS else name for name in names]
        lines = tuple(Row(value, tuple(cell(figures, name) for name in names)) for value, figures in values.items())
        tables.append(Table(f"By {column}", (column, *head), lines))
    return tuple(tables)


def record_table(title: str, records: Sequence[Mapping[str, Any]]) -> Table:
    """Records with the same plain values, as they are."""
    names = [name for name, value in records[0].items() if not isinstance(value, dict | list)]
    lines = tuple(
        Row(str(one.get(names[0], "")), tuple(Cell(_text(one.get(name), name)) for name in names[1:]))
        for one in records
    )
    return Table(title, tuple(name.replace("_", " ") for name in names), lines)


def facts(values: Mapping[str, Any]) -> dict[str, str]:
    """Plain values as texts, those that are not known left out."""
    return {
        name.replace("_", " "): _text(value, name)
        for name, value in values.items()
        if value is not None and not isinstance(value, dict | list)
    }


def _title(name: str, figures: Mapping[str, Any]) -> str:
    recall = figures.get("recall_target")
    return f"Precision at recall {recall:g}" if name == "precision_at_recall" and recall else MEANINGS[name][0]


def _text(value: Any, name: str) -> str:
    if value is None:
        return "not defined"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if name.endswith("percent_of_images"):
        return f"{value:.2f}"
    return f"{value:.4f}"
