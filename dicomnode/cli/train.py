"""``dicomnode train``: from a recipe and a data folder to a bundle."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnode.cli.data_check import check, check_before_training

if TYPE_CHECKING:
    from dicomnode.learning.recipe import Recipe
    from dicomnode.learning.training import Run


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("train", help="train a model from a recipe and package it as a MONAI bundle")
    parser.add_argument("recipe", type=Path, help="YAML recipe, such as training/brain_mri_tumor_classifier.yaml")
    parser.add_argument("--data", type=Path, help="folder of the data set")
    parser.add_argument("--out", type=Path, help="folder for checkpoints, report and bundle (default: runs/<name>)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        help="change a recipe value; smoke=true: tiny, on generated images",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    parser.add_argument("--budget-minutes", type=float, metavar="M", help="stop training after so much wall-clock time")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--describe", action="store_true", help="print network and hyper-parameters, train nothing")
    parser.add_argument(
        "--check",
        action="store_true",
        help="tell what the data hold and what is wrong with them, train nothing; exit status 1 if training cannot run"
        " on them (unreadable pictures, an empty split), 0 with warnings for duplicates, leaks between the splits,"
        " label conflicts and the like",
    )
    parser.add_argument("--no-check", action="store_true", help="train without checking the data first")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, check the data, or describe what would be trained."""
    from dicomnode.errors import UsageError
    from dicomnode.learning.recipe import load_recipe

    recipe = load_recipe(args.recipe, tuple(args.set))
    if args.describe:
        return _describe(recipe, args.json)
    out = args.out or Path("runs") / recipe.name
    if args.data is None and "smoke" not in recipe.variant:
        wanted = f" ({recipe.data.source.strip()})" if recipe.data.source else ""
        raise UsageError(f"train {args.recipe}: no data folder; give the folder of the data set{wanted} with --data")
    if args.check:
        return check(recipe.data, _data(args, recipe, out), args.out, as_json=args.json)
    from dicomnode.learning.training import make_run

    made = make_run(recipe, args.data or out / "generated", out, args.device, args.resume, args.budget_minutes)
    _data(args, recipe, out)
    if not args.no_check:
        check_before_training(recipe.data, made.data, out, again=not args.resume)
    return _train(made, args.json)


def _data(args: argparse.Namespace, recipe: Recipe, out: Path) -> Path:
    """The data folder, generated if none was given."""
    from dicomnode.learning.generated import generate_pictures

    return args.data or generate_pictures(recipe, out / "generated")


def _describe(recipe: Recipe, as_json: bool) -> int:
    from dicomnode.learning.description import describe

    description = describe(recipe)
    if as_json:
        print(json.dumps(description, indent=2))
    else:
        for key, value in description.items():
            print(f"{key}: {json.dumps(value) if isinstance(value, dict) else value}")
    return 0


def _train(run: Run, as_json: bool) -> int:
    from rich.console import Console

    from dicomnode.learning.progress import make_reporter
    from dicomnode.learning.training import load_task, train

    task = load_task(run.recipe, run.data)
    reporter = make_reporter(Console(stderr=True))
    try:
        train(run, task, reporter)
    finally:
        reporter.close()
    from dicomnode.learning.packaging import package

    bundle = package(run, task)
    if as_json:
        print((run.out / "report.json").read_text(encoding="utf-8"), end="")
    else:
        print(f"bundle: {bundle}")
    return 0
