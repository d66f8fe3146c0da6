"""Stages of a run, and going on from any checkpoint."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.learning.engine.checkpoints import RunState
from dicomnode.learning.engine.progress import LineReporter
from dicomnode.learning.engine.stages import stage_at, stages_of
from dicomnode.learning.engine.training import build_network, load_task, make_run, train
from dicomnode.learning.recipes.hyperparameters import TrainingSection
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]
HEAD_FIRST = {"epochs": 3, "stages": [{"epochs": 1, "train_only": ["head"], "learning_rate": 0.01}]}


def section(epochs: int, *stages: dict[str, Any]) -> TrainingSection:
    values = {"epochs": epochs, "batch_size": 4, "learning_rate": 0.1, "monitor": "accuracy", "stages": stages}
    return TrainingSection.model_validate(values)


class Stop(LineReporter):
    """Interrupts the run after some epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__(lambda line: None)
        self.left = epochs

    def say(self, line: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def run(recipe: Path, data: Path, out: Path, resume: bool | Path = False, stop: int = -1) -> RunState:
    made = make_run(load_recipe(recipe), data, out, "cpu", resume)
    return train(made, load_task(made.recipe, data), Stop(stop))


def assert_same(one: RunState, other: RunState) -> None:
    assert one.history == other.history and one.best_epoch == other.best_epoch
    for name, weight in one.kept.state_dict().items():
        assert torch.equal(weight, other.kept.state_dict()[name]), name


def test_the_rest_of_the_epochs_is_the_last_stage() -> None:
    stages = stages_of(section(9, {"epochs": 2, "train_only": ["head"]}, {"epochs": 3, "learning_rate": 0.2}))

    assert [(stage.epochs, stage.train_only, stage.learning_rate) for stage in stages] == [
        (2, ("head",), 0.1),
        (3, (), 0.2),
        (4, (), 0.1),
    ]


@pytest.mark.parametrize(("epoch", "stage"), [(0, 0), (1, 0), (2, 1), (4, 1), (5, 2), (8, 2), (9, 2)])
def test_every_epoch_has_its_stage(epoch: int, stage: int) -> None:
    assert stage_at(section(9, {"epochs": 2}, {"epochs": 3}), epoch) == stage


def test_a_run_may_be_shorter_than_its_stages() -> None:
    assert [stage.epochs for stage in stages_of(section(1, {"epochs": 2}))] == [2]


def test_a_stage_trains_its_part_only(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    path = write_recipe(training=HEAD_FIRST)
    start = build_network(load_recipe(path)).state_dict()

    with pytest.raises(KeyboardInterrupt):
        run(path, pictures, tmp_path / "out", stop=1)

    end = torch.load(tmp_path / "out" / "last.pt", weights_only=True)["model"]
    assert {name for name in start if not torch.equal(start[name], end[name])} == {"head.weight", "head.bias"}
    whole = run(path, pictures, tmp_path / "whole")
    assert not torch.equal(start["stem.0.weight"], whole.model.state_dict()["stem.0.weight"])


@pytest.mark.parametrize("stop", [1, 2])
def test_a_staged_run_can_be_interrupted_anywhere(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, stop: int
) -> None:
    path = write_recipe(training={**HEAD_FIRST, "ema_decay": 0.9})
    whole = run(path, pictures, tmp_path / "whole")

    with pytest.raises(KeyboardInterrupt):
        run(path, pictures, tmp_path / "parts", stop=stop)

    assert_same(whole, run(path, pictures, tmp_path / "parts", resume=True))


def test_an_early_stage_that_stops_to_improve_makes_way(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path
) -> None:
    training = {"epochs": 9, "patience": 1, "learning_rate": 1e-9, "stages": [{"epochs": 3}]}

    assert run(write_recipe(training=training), pictures, tmp_path / "out").epoch == 4


def test_a_run_goes_on_from_a_copy_of_a_checkpoint(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    path, kept = write_recipe(training={"epochs": 3}), tmp_path / "kept"
    whole = run(path, pictures, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(path, pictures, kept, stop=2)

    for name in ("last.pt", "best.pt"):
        again = run(path, pictures, tmp_path / name, resume=kept / name)
        assert_same(whole, again)
        assert (tmp_path / name / "best.pt").is_file()


def test_a_checkpoint_without_its_best_one_is_refused(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path
) -> None:
    run(write_recipe(), pictures, tmp_path / "out")
    shutil.copy(tmp_path / "out" / "last.pt", tmp_path / "lonely.pt")

    with pytest.raises(RecipeError, match=r"lonely\.pt: needs the best\.pt of epoch \d beside it"):
        run(write_recipe(), pictures, tmp_path / "new", resume=tmp_path / "lonely.pt")


def test_describe_shows_stages(write_recipe: WriteRecipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(write_recipe(training=HEAD_FIRST)), "--describe", "--json"]) == 0

    first, rest = json.loads(capsys.readouterr().out)["stages"]
    assert first == {"epochs": 1, "train_only": ["head"], "learning_rate": 0.01, "parameters_trainable": 32 * 2 + 2}
    assert rest["epochs"] == 2 and rest["parameters_trainable"] > 66
