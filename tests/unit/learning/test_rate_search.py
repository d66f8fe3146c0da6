"""The learning-rate range test."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dicomnode.cli.main import main
from dicomnode.errors import TrainingError
from dicomnode.learning.engine.rate_search import find_rate
from dicomnode.learning.engine.training import load_task, make_run
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]


def test_the_command_suggests_a_rate_and_keeps_nothing_else(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    command = ["train", str(write_recipe()), "--data", str(pictures), "--out", str(out), "--device", "cpu"]
    assert main([*command, "--find-lr"]) == 0

    assert "--set training.learning_rate=" in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == ["lr_search.json"]
    found = json.loads((out / "lr_search.json").read_text())
    assert found["rates"] == sorted(found["rates"]) and found["rates"][0] < 1e-5
    assert len(found["rates"]) == len(found["losses"]) and found["suggestion"] in found["rates"]


@pytest.mark.parametrize(("kind", "data"), [("classifier", "pictures"), ("detector", "boxes")])
def test_the_same_seed_gives_the_same_curve(
    kind: str, data: str, write_recipe: WriteRecipe, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(data)
    run = make_run(load_recipe(write_recipe(kind)), folder, tmp_path / "out", "cpu")
    task = load_task(run.recipe, folder)

    assert find_rate(run, task, steps=5) == find_rate(run, task, steps=5)


def test_a_loss_that_is_never_finite_is_said(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    run = make_run(load_recipe(write_recipe()), pictures, tmp_path / "out", "cpu")
    task = load_task(run.recipe, pictures)
    task.train.images.fill_(float("nan"))

    with pytest.raises(TrainingError, match="the loss is not finite at a learning rate of 1e-06"):
        find_rate(run, task, steps=5)
