"""``dicomnode train``: from a recipe and a data folder to a bundle."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnode.cli.data_check import check, check_before_training

if TYPE_CHECKING:
    from dicomnode.learning.engine.tasks import Task
    from dicomnode.learning.engine.training import Run
    from dicomnode.learning.recipes.recipe import Recipe


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
    parser.add_argument("--resume-from", type=Path, metavar="FILE", help="go on from this last.pt or best.pt")
    parser.add_argument("--find-lr", action="store_true", help="search a learning rate, train nothing")
    parser.add_argument("--no-tensorboard", action="store_true", help="write no curves into OUT/tensorboard")
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
    """Train, check the data, search a learning rate, or describe what would be trained."""
    from dicomnode.errors import UsageError
    from dicomnode.learning.recipes.recipe import load_recipe

    recipe = load_recipe(args.recipe, tuple(args.set))
    if args.describe:
        return _describe(recipe, args.json)
    out = args.out or Path("runs") / recipe.name
    if args.data is None and "smoke" not in recipe.variant:
        wanted = f" ({recipe.data.source.strip()})" if recipe.data.source else ""
        raise UsageError(f"train {args.recipe}: no data folder; give the folder of the data set{wanted} with --data")
    if args.check:
        return check(recipe.data, _data(args, recipe, out), args.out, as_json=args.json)
    if args.find_lr:
        return _find_rate(args, recipe, out)
    return _run(args, recipe, out)


def _run(args: argparse.Namespace, recipe: Recipe, out: Path) -> int:
    """Train, with the other processes if torchrun started several, and let the first package what came of it."""
    from dicomnode.learning.engine.ranks import joined, own_device
    from dicomnode.learning.engine.training import load_task, make_run

    data, device, boards = args.data or out / "generated", own_device(args.device, os.environ), not args.no_tensorboard
    resume = args.resume_from or args.resume
    with joined(device, os.environ) as ranks:
        run = make_run(recipe, data, out, device, resume, args.budget_minutes, ranks=ranks, boards=boards)
        if ranks.is_first:
            _data(args, recipe, out)
            if not args.no_check:
                check_before_training(recipe.data, data, out, again=not resume)
        ranks.agreed(None)  # the others wait until the data are there
        task = load_task(recipe, data, ranks)
        _train(run, task)
    return _package(run, task, args.json) if ranks.is_first else 0


def _data(args: argparse.Namespace, recipe: Recipe, out: Path) -> Path:
    """The data folder, generated if none was given."""
    from dicomnode.learning.data.generated import generate_data

    return args.data or generate_data(recipe, out / "generated")


def _describe(recipe: Recipe, as_json: bool) -> int:
    from dicomnode.learning.description import describe

    description = describe(recipe)
    if as_json:
        print(json.dumps(description, indent=2))
    else:
        for key, value in description.items():
            print(f"{key}: {json.dumps(value) if isinstance(value, dict) else value}")
    return 0


def _train(run: Run, task: Task) -> None:
    from rich.console import Console

    from dicomnode.learning.engine.progress import make_reporter
    from dicomnode.learning.engine.training import train

    reporter = make_reporter(Console(stderr=True), run.budget_minutes, is_silent=not run.ranks.is_first)
    try:
        train(run, task, reporter)
    finally:
        reporter.close()


def _package(run: Run, task: Task, as_json: bool) -> int:
    from dicomnode.learning.packaging import package

    bundle = package(run, task)
    if as_json:
        print((run.out / "report.json").read_text(encoding="utf-8"), end="")
    else:
        print(f"{'bundle' if bundle.is_dir() else 'weights'}: {bundle}")
    return 0


def _find_rate(args: argparse.Namespace, recipe: Recipe, out: Path) -> int:
    from dataclasses import asdict

    from dicomnode.learning.engine.precision import choose_device
    from dicomnode.learning.engine.rate_search import find_rate
    from dicomnode.learning.engine.training import Run, load_task

    data = _data(args, recipe, out)
    found = find_rate(Run(recipe, data, out, choose_device(args.device)), load_task(recipe, data))
    text = json.dumps(asdict(found), indent=2)
    out.mkdir(parents=True, exist_ok=True)
    (out / "lr_search.json").write_text(text + "\n", encoding="utf-8")
    if args.json:
        print(text)
        return 0
    for index in range(0, len(found.rates), 5):
        print(f"learning rate {found.rates[index]:.2e}  loss {found.losses[index]:.4f}")
    print(f"the loss fell fastest at {found.suggestion:.2e}: try --set training.learning_rate={found.suggestion:.1e}")
    return 0
