"""``dicomnode evaluate``: a bundle's figures on a labelled split."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("evaluate", help="measure a bundle on a labelled split of a data set")
    parser.add_argument("bundle", type=Path, help="folder of the bundle, such as models/brain_mri_tumor_classifier")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split", default="test", help="split to measure on (default: test)")
    parser.add_argument("--valid-list", type=Path, metavar="CSV", help="pictures of the split 'valid' (column path)")
    parser.add_argument("--recipe", type=Path, metavar="YAML", help="the recipe whose data section lays the folder out")
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write the figures to this JSON file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from dicomnode.learning.evaluation import evaluate_bundle
    from dicomnode.learning.precision import choose_device
    from dicomnode.learning.recipe import load_recipe

    section = None if args.recipe is None else load_recipe(args.recipe).data
    device = choose_device(args.device)
    report = evaluate_bundle(args.bundle, args.data, args.split, device, args.valid_list, section)
    text = json.dumps(report, indent=2)
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(text + "\n", encoding="utf-8")
    print(text if args.json else _readable(report))
    return 0


def _readable(report: dict[str, Any]) -> str:
    lines = [f"{report['bundle']} {report['version']} on split {report['split']}, threshold {report['threshold']:g}"]
    for rows in ("all", "clean"):
        if rows in report:
            lines += ["", "all rows" if rows == "all" else "rows without a near duplicate in the training split"]
            lines += _figure_lines(report[rows])
    return "\n".join(lines)


def _figure_lines(figures: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in figures.items():
        if isinstance(value, int | float):
            text = str(value) if isinstance(value, int) else f"{value:.4f}"
            if name in figures["intervals"] and figures["intervals"][name][0] is not None:
                low, high = figures["intervals"][name]
                text += f"  [{low:.4f}, {high:.4f}]"
            lines.append(f"  {name.replace('_', ' '):32} {text}")
    for name, one in figures["classes"].items():
        values = (f"{key} {value if isinstance(value, int) else round(value or 0, 4)}" for key, value in one.items())
        lines.append(f"  {name:32} {', '.join(values)}")
    return lines
