"""``dicomnode evaluate``: a bundle's figures on a labelled split."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnode.cli.evaluate_readers import add_options, measure, reader_lines
from dicomnode.errors import UsageError

if TYPE_CHECKING:
    from dicomnode.bundles import Way
    from dicomnode.learning.evaluation import Evaluation
    from dicomnode.learning.report import Background


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("evaluate", help="measure a bundle on a labelled split of a data set")
    parser.add_argument("bundle", type=Path, help="folder of the bundle, such as models/brain_mri_tumor_classifier")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split", default="test", help="split to measure on (default: test)")
    parser.add_argument("--valid-list", type=Path, metavar="CSV", help="pictures of the split 'valid' (column path)")
    parser.add_argument("--recipe", type=Path, metavar="YAML", help="the recipe whose data section lays the folder out")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="OUT",
        help="also write the figures: to a file if its name ends in .json, else to a folder with report.html and plots",
    )
    parser.add_argument(
        "--card",
        action="store_true",
        help="also write docs/evaluation.json into the bundle: figures, curves and calibration for the node's page of "
        "it; the bundle's digest stays as it is",
    )
    parser.add_argument(
        "--subgroups", default="", metavar="COLUMN[,COLUMN]", help="figures for every value of columns of labels.csv"
    )
    parser.add_argument(
        "--recall",
        type=float,
        metavar="R",
        help="0..1; give the precision at this recall of findings (default: the bundle's target sensitivity)",
    )
    parser.add_argument(
        "--hit",
        metavar="RULE",
        help="when a detector's box is on a lesion, in FROC and at the operating point: iou=0.5 or another overlap, or "
        "centre (its centre in the lesion's box) (default: the recipe's, else iou=0.5)",
    )
    add_options(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument(
        "--way",
        nargs="+",
        metavar="WAY",
        help="how the network computes: tuned (as 'dicomnode models tune' chose for this device), eager (plain "
        "float32) or another; of several the first is measured and the others are compared with it (default: tuned; "
        "with --card: eager)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print and write."""
    from dicomnode.learning.engine.precision import choose_device
    from dicomnode.learning.evaluation import measure_bundle
    from dicomnode.learning.metrics.lesions import Hit
    from dicomnode.learning.recipes.recipe import load_recipe
    from dicomnode.learning.report import Background

    if args.report and args.report.suffix in (".html", ".htm"):
        raise UsageError(f"--report {args.report}: name a folder for the page and its plots, or a .json file")
    if args.recall is not None and not 0 < args.recall <= 1:
        raise UsageError(f"--recall {args.recall:g}: is no share; give a number above 0 and up to 1")
    recipe = None if args.recipe is None else load_recipe(args.recipe)
    options = {
        "valid_list": args.valid_list,
        "section": None if recipe is None else recipe.data,
        "subgroups": tuple(filter(None, args.subgroups.split(","))),
        "recall": args.recall,
        "hit": Hit.read(args.hit or (recipe.operating_point.hit if recipe else "iou=0.5")),
    }
    device = choose_device(args.device)
    first, *others = _ways(args, device)
    evaluation, readers = measure(
        args, lambda split: measure_bundle(args.bundle, args.data, split, device, way=first, **options)
    )
    evaluation.report["way"] = first.value
    for way in others:
        other = measure_bundle(args.bundle, args.data, args.split, device, way=way, **options)
        evaluation.report.setdefault("other_ways", {})[way.value] = other.report["all"]
    if args.report:
        _write(args.report, evaluation, Background(None if recipe is None else recipe.published, readers=readers))
    _keep(args, evaluation)
    print(json.dumps(evaluation.report, indent=2) if args.json else _readable(evaluation.report))
    return 0


def _ways(args: argparse.Namespace, device: Any) -> list[Way]:
    from dicomnode.bundles import Way, load_bundle
    from dicomnode.inference.tuning.choice import way_on

    names = args.way or (["eager"] if args.card else ["tuned"])
    unknown = [name for name in names if name != "tuned" and name not in list(Way)]
    if unknown:
        raise UsageError(f"--way {unknown[0]}: is none of tuned, {', '.join(Way)}")
    return [way_on(load_bundle(args.bundle), device) if name == "tuned" else Way(name) for name in names]


def _write(out: Path, evaluation: Evaluation, background: Background) -> None:
    from dicomnode.learning.report import write_report

    if out.suffix == ".json":
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(evaluation.report, indent=2) + "\n", encoding="utf-8")
    else:
        write_report(out, evaluation, background)


def _keep(args: argparse.Namespace, evaluation: Evaluation) -> None:
    """What pages draw: beside the report's page, and in the bundle if that was asked for."""
    from dicomnode.bundles import EVALUATION, write_measured
    from dicomnode.learning.measured_points import Circumstances, measured_of

    files = [args.report / Path(EVALUATION).name] if args.report and args.report.suffix != ".json" else []
    files += [args.bundle / EVALUATION] if args.card else []
    if files:
        data, today = args.data.resolve().name, datetime.now(UTC).date()
        measured = measured_of(evaluation, Circumstances(data, _command(args), today))
        for file in files:
            write_measured(file, measured)


def _command(args: argparse.Namespace) -> str:
    """The command without what differs among machines."""
    command = f"dicomnode evaluate models/{args.bundle.resolve().name} --data DATA --split {args.split}"
    if args.recipe is not None:
        command += f" --recipe training/{args.recipe.name}"
    return command + (f" --hit {args.hit}" if args.hit else "")


def _readable(report: dict[str, Any]) -> str:
    lines = [f"{report['bundle']} {report['version']} on split {report['split']}, threshold {report['threshold']:g}"]
    for rows in ("all", "clean"):
        if rows in report:
            title = "all rows" if rows == "all" else "rows without a near duplicate in the training split"
            lines += ["", f"{title}; 95 % intervals, resampled by {report[rows]['resampled']}"]
            lines += [*_figure_lines(report[rows], 32), *_froc_lines(report[rows]), *_class_lines(report[rows])]
    for way, figures in report.get("other_ways", {}).items():
        lines += ["", f"all rows, computed {way} instead of {report['way']}", *_figure_lines(figures, 32)]
    for column, values in report.get("subgroups", {}).items():
        lines += ["", f"all rows by {column}"]
        for value, figures in values.items():
            lines += [f"  {value}", *(f"  {line}" for line in _figure_lines(figures, 26))]
    return "\n".join([*lines, *reader_lines(report, _value)])


def _figure_lines(figures: dict[str, Any], width: int) -> list[str]:
    return [
        f"  {name.replace('_', ' '):{width}} {_value(value, figures['intervals'].get(name))}"
        for name, value in figures.items()
        if isinstance(value, int | float)
    ]


def _froc_lines(figures: dict[str, Any]) -> list[str]:
    if "froc" not in figures:
        return []
    lines = [f"  where boxes are counted, of any class: {figures['hit']}", "  sensitivity at false boxes per image"]
    points = figures["froc"].items()
    return [*lines, *(f"    {rate:30} {_value(point['sensitivity'], point['interval'])}" for rate, point in points)]


def _class_lines(figures: dict[str, Any]) -> list[str]:
    lines = []
    for name, one in figures["classes"].items():
        plain = {key: value for key, value in one.items() if not isinstance(value, dict)}
        texts = (
            f"{key.replace('_', ' ')} {_value(value, one['intervals'].get(key), 3)}" for key, value in plain.items()
        )
        lines.append(f"  {name:28} {', '.join(texts)}")
    return lines


def _value(value: float | None, interval: list[float | None] | None, places: int = 4) -> str:
    if value is None or isinstance(value, int):
        return "not defined" if value is None else str(value)
    text = f"{value:.{places}f}"
    if interval is None or interval[0] is None:
        return text
    return f"{text} [{interval[0]:.{places}f}, {interval[1]:.{places}f}]"
