"""``dicomnode evaluate``: what it prints and writes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dicomnode.cli.main import main
from dicomnode.learning.engine.progress import LineReporter
from dicomnode.learning.engine.training import load_task, make_run, train
from dicomnode.learning.packaging import package
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]


@pytest.fixture
def command(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> list[str]:
    """The command line that measures a small classifier."""
    run = make_run(load_recipe(write_recipe(training={"epochs": 1})), pictures, tmp_path / "out", "cpu")
    task = load_task(run.recipe, run.data)
    train(run, task, LineReporter(lambda line: None))
    return ["evaluate", str(package(run, task)), "--data", str(pictures), "--device", "cpu"]


def test_subgroups_by_any_column(command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "figures.json"

    assert main([*command, "--subgroups", "near_dup_in_train", "--report", str(out)]) == 0
    assert "all rows by near_dup_in_train" in capsys.readouterr().out
    report = json.loads(out.read_text())
    groups = report["subgroups"]["near_dup_in_train"]
    assert {value: figures["images"] for value, figures in groups.items()} == {"0": 6, "1": 2}
    for name in ("accuracy", "sensitivity", "specificity", "auc"):
        assert groups["0"][name] == report["clean"][name]

    assert main([*command, "--subgroups", "scanner"]) == 2
    assert "labels.csv has no such column; it has near_dup_in_train" in capsys.readouterr().err


def test_precision_is_given_at_the_targets_recall(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["all"]["recall_target"] == 0.9  # the recipe's sensitivity
    assert main([*command, "--json", "--recall", "0.5"]) == 0
    figures = json.loads(capsys.readouterr().out)["all"]
    assert figures["recall_target"] == 0.5 and 0 < figures["precision_at_recall"] <= 1
    assert main([*command, "--recall", "50"]) == 2
