"""The readers beside the model in ``dicomnode evaluate``: options, and what is printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnode.errors import UsageError

if TYPE_CHECKING:
    from dicomnode.learning.evaluation import Evaluation
    from dicomnode.learning.reader_study import Beside

_TITLES = {"auc": "AUC", "pr_auc": "PR-AUC", "specificity": "specificity"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the command's."""
    parser.add_argument(
        "--readers",
        type=Path,
        metavar="CSV|DIR",
        help="measure readers, the model and both together: a table (reader; image, exam or patient; breast; "
        "probability or birads), or structured reports with BI-RADS categories or probabilities of cancer",
    )
    parser.add_argument(
        "--lambda",
        dest="reader_weight",
        default="0.5",
        metavar="L",
        help="with --readers: the reader's share of the hybrid, 0..1, or valid: chosen on the split of that name "
        "(default: 0.5)",
    )
    parser.add_argument(
        "--recall-above",
        type=float,
        default=0.02,
        metavar="P",
        help="with --readers: a reader calls a case positive whose probability is above P (default: 0.02, as BI-RADS "
        "categories from 4 on are)",
    )


def weight_of(args: argparse.Namespace) -> float | None:
    """The reader's share; None to choose it on validation.

    Raises:
        UsageError: If it is neither.
    """
    text: str = args.reader_weight
    if text == "valid":
        return None
    value = float(text) if text.replace(".", "", 1).isdecimal() else -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"--lambda {text}: give a share from 0 to 1, or valid")
    return value


def measure(args: argparse.Namespace, evaluate: Callable[[str], Evaluation]) -> tuple[Evaluation, Beside | None]:
    """The evaluation of the split, with the readers if there are any.

    Args:
        args: The command's.
        evaluate: Measures a split by its name.
    """
    from dicomnode.learning.data.readings import read_readings
    from dicomnode.learning.reader_study import ReaderOptions, with_readers

    weight = weight_of(args)
    if args.readers is None:
        return evaluate(args.split), None
    readings = read_readings(args.readers)
    valid = evaluate("valid") if weight is None else None
    options = ReaderOptions(0.5 if weight is None else weight, args.recall_above)
    return with_readers(evaluate(args.split), readings, options, valid)


def reader_lines(report: dict[str, Any], value: Callable[[float | None, list[float | None] | None], str]) -> list[str]:
    """What is printed of the readers.

    Args:
        report: The command's.
        value: A figure and its interval as text.
    """
    study = report.get("readers")
    if study is None:
        return []
    sensitivity = value(study["sensitivity"], study["sensitivity_interval"])
    lines = [
        "",
        f"readers beside the model: {len(study['by_reader'])} readers, {study['cases']} cases (unit: {study['unit']}), "
        f"{study['positive']} positive; 95 % intervals, resampled by {study['resampled']}",
        f"  {study['unread']} cases of the split without a reading, {study['unmatched']} readings of other cases",
        f"  hybrid: {study['weight']:g} x reader + {1 - study['weight']:g} x model; lambda {study['weight_chosen']}",
        f"  a reader calls a case above a probability of {study['recall_above']:g}",
        f"  BI-RADS categories as probabilities: {study['birads']}",
        f"  readers' mean sensitivity          {sensitivity}; specificity of model and hybrid is read there",
    ]
    for name, title in _TITLES.items():
        lines += [f"  {title}"]
        lines += [
            f"    {who:32} {value(study[who][name], study[who]['intervals'][name])}"
            for who in ("readers", "model", "hybrid")
        ]
        lines += [f"    {'published, mammography':32} {study['published'][name]}"]
    return [*lines, f"  published: {study['published']['source']}; figures are means over readers"]
