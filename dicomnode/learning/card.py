"""The model card: what the recipe says in words, and what the run measured, in one Markdown page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dicomnode.learning.recipes.recipe import Recipe

_CLASSIFIER_FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "weighted_f1",
    "sensitivity",
    "specificity",
    "fn_percent_of_images",
    "fp_percent_of_images",
    "ppv",
    "auc",
    "pr_auc",
    "ece",
)


def model_card(recipe: Recipe, report: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Markdown for ``docs/README.md``.

    Args:
        recipe: The experiment.
        report: The run's report, its ``test`` figures as `evaluate_bundle` gives them.
        metadata: Content of ``metadata.json``.
    """
    card, node = recipe.bundle.card, metadata["dicomnode"]
    sections = {
        "What it does": card.summary,
        "Intended use": card.intended_use,
        "Not for": card.not_for,
        "Data": card.data,
        "Split": card.split,
        "Method": card.method,
        "Operating point": _operating_point(node),
        "Figures": _figures(recipe, report),
        "Limits": card.limits,
    }
    body = "\n\n".join(f"## {title}\n\n{text.strip()}" for title, text in sections.items())
    return f"# {recipe.name} {recipe.bundle.version}\n\n{body}\n"


def _operating_point(node: Mapping[str, Any]) -> str:
    point, calibration = node["operating_point"], node.get("calibration")
    line = (
        f"Threshold {point['threshold']:g} per {point['level']}, chosen on {point['chosen_on']} for {point['target']}."
    )
    if calibration:
        line += (
            f" Temperature {calibration['temperature']:g}, fitted on {calibration['fitted_on']}; "
            f"expected calibration error there {calibration['ece']:.4f}."
        )
    else:
        line += " Scores are not calibrated: they are no probabilities."
    return line + f" {node['aggregation']['statement']}"


def evaluate_command(recipe: Recipe) -> str:
    """How the figures of a recipe's bundle are measured again; DATA stands for the data set's folder."""
    command = f"dicomnode evaluate models/{recipe.name} --data DATA --split {recipe.data.test}"
    return command + (f" --recipe training/{recipe.name}.yaml" if recipe.data.expected else "")


def _figures(recipe: Recipe, report: Mapping[str, Any]) -> str:
    test = report["test"]
    if not test:
        return "No test split was at hand."
    table = {"detection": _detection_table, "exam": _exam_table}.get(recipe.task, _classification_table)
    return (
        f"Measured with `{evaluate_command(recipe)}`, where DATA is the data set's folder; weights of epoch "
        f"{report['epoch']}. Brackets hold 95 % bootstrap intervals, resampled by {test['all']['resampled']}.\n\n"
        f"{table(test)}"
    )


def _classification_table(test: Mapping[str, Any]) -> str:
    columns = {"all test rows": test["all"]}
    if "clean" in test:
        columns["without near duplicates in train"] = test["clean"]
    rows = [("images", *(str(c["images"]) for c in columns.values()))]
    for name in _CLASSIFIER_FIGURES:
        rows.append((name.replace("_", " "), *(_with_interval(c, name) for c in columns.values())))
    parts = [_table(("figure", *columns), rows)]
    for title, column in columns.items():
        parts.append(f"Per class, {title}; the last columns count predictions:\n\n{_class_table(column)}")
    return "\n\n".join(parts)


def _class_table(figures: Mapping[str, Any]) -> str:
    names = list(figures["classes"])
    rows = []
    for name, counts in zip(names, figures["confusion"], strict=True):
        one = figures["classes"][name]
        shares = [f"{one[key]:.4f}" for key in ("precision", "recall", "f1")]
        rows.append((name, str(one["images"]), *shares, *map(str, counts)))
    return _table(("class", "images", "precision", "recall", "F1", *(f"as {name}" for name in names)), rows)


def _detection_table(test: Mapping[str, Any]) -> str:
    figures = test["all"]
    rows = [("images / lesions", f"{figures['images']} / {figures['lesions']}")]
    titles = {
        "ap50": "AP at IoU 0.50 (mean over classes)",
        "ap": "AP at IoU 0.50:0.95",
        "ap75": "AP at IoU 0.75",
        "ap50_any_class": "AP at IoU 0.50, all classes as one",
        "sensitivity_at_1_false_positive": "sensitivity at 1 false box per image",
        "cpm": "CPM: mean sensitivity at 1/8 to 8 false boxes per image",
        "sensitivity": "sensitivity at the operating point",
        "false_positives_per_image": "false boxes per image at the operating point",
    }
    if figures["mask_dice"] is not None:
        titles["mask_dice"] = f"Dice of the masks of {figures['mask_lesions']} lesions found there"
    rows += [(title, _with_interval(figures, name)) for name, title in titles.items()]
    classes = [
        (name, str(one["lesions"]), _number(one["ap50"]), _number(one["ap"]))
        for name, one in figures["classes"].items()
    ]
    by_class = _table(("class", "lesions", "AP 0.50", "AP 0.50:0.95"), classes)
    return f"{_table(('figure', 'value'), rows)}\n\nWhere boxes are counted, {figures['hit']}.\n\n{by_class}"


def _exam_table(test: Mapping[str, Any]) -> str:
    figures = test["all"]
    titles = {
        "breast_auc": "AUC per breast",
        "breast_pr_auc": "PR-AUC per breast",
        "exam_auc": "AUC per exam",
        "exam_pr_auc": "PR-AUC per exam",
        "sensitivity": "sensitivity per breast at the operating point",
        "specificity": "specificity per breast at the operating point",
    }
    rows = [("exams / breasts", f"{figures['exams']} / {figures['breasts']}")]
    rows += [(title, _with_interval(figures, name)) for name, title in titles.items()]
    classes = [
        (name, str(one["breasts"]), *(_with_interval(one, key) for key in ("breast_auc", "breast_pr_auc", "exam_auc")))
        for name, one in figures["classes"].items()
    ]
    by_class = _table(("class", "breasts", "AUC per breast", "PR-AUC per breast", "AUC per exam"), classes)
    return f"{_table(('figure', 'value'), rows)}\n\n{by_class}"


def _with_interval(figures: Mapping[str, Any], name: str) -> str:
    text = _number(figures[name])
    if name in figures["intervals"]:
        low, high = figures["intervals"][name]
        text += f" [{_number(low)}, {_number(high)}]"
    return text


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
