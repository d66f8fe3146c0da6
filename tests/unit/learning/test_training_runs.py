"""Runs: the loss falls, a resumed run ends like one that never stopped, and what can go wrong is said."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from dicomnode.bundles import load_bundle
from dicomnode.cli.main import main
from dicomnode.errors import RecipeError, TrainingError
from dicomnode.learning.engine.checkpoints import RunState
from dicomnode.learning.engine.loops import train_one_epoch
from dicomnode.learning.engine.optimisation import make_optimizer, make_schedule
from dicomnode.learning.engine.progress import LineReporter
from dicomnode.learning.engine.training import build_network, load_task, make_run, train
from dicomnode.learning.evaluation import evaluate_bundle
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]


def _train(recipe: Path, data: Path, out: Path, *overrides: str, resume: bool = False) -> RunState:
    run = make_run(load_recipe(recipe, overrides), data, out, "cpu", resume)
    return train(run, load_task(run.recipe, data), LineReporter(lambda line: None))


@pytest.mark.parametrize(("kind", "data"), [("classifier", "pictures"), ("detector", "boxes")])
def test_the_loss_falls(
    kind: str, data: str, write_recipe: WriteRecipe, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    recipe = load_recipe(write_recipe(kind))
    task = load_task(recipe, request.getfixturevalue(data))
    network = build_network(recipe)
    optimizer = make_optimizer(network, recipe.training)
    state = RunState(network, None, optimizer, make_schedule(optimizer, recipe.training, 8))
    batch = next(task.batches(torch.Generator().manual_seed(0), torch.device("cpu")))

    torch.manual_seed(0)
    losses: list[float] = []
    train_one_epoch(state, [batch] * 8, task.loss, clip_norm=5, dtype=None, report=losses.append)

    assert losses[-1] < losses[0]


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_a_resumed_run_ends_with_the_same_weights(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, decay: float
) -> None:
    recipe = write_recipe(training={"epochs": 3, "ema_decay": decay})
    whole = _train(recipe, pictures, tmp_path / "whole")

    # The schedule depends on the number of epochs, so the first part is interrupted instead of asked to be shorter.
    class Stop(LineReporter):
        def say(self, line: str) -> None:
            raise KeyboardInterrupt

    run = make_run(load_recipe(recipe), pictures, tmp_path / "parts", "cpu")
    with pytest.raises(KeyboardInterrupt):
        train(run, load_task(run.recipe, pictures), Stop(lambda line: None))
    parts = _train(recipe, pictures, tmp_path / "parts", resume=True)

    assert parts.epoch == 3 and parts.history == whole.history
    for name, weight in whole.kept.state_dict().items():
        assert torch.equal(weight, parts.kept.state_dict()[name]), name


def test_a_run_can_be_made_longer(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    _train(write_recipe(), pictures, tmp_path / "out", "training.epochs=1")

    assert _train(write_recipe(), pictures, tmp_path / "out", "training.epochs=2", resume=True).epoch == 2


def test_a_time_budget_ends_a_run_within_an_epoch(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    recipe = write_recipe(training={"epochs": 9, "batch_size": 4, "validate_every": 9})

    command = ["train", str(recipe), "--data", str(pictures), "--out", str(out), "--device", "cpu"]
    assert main([*command, "--budget-minutes", "0"]) == 0, capsys.readouterr().err

    report = json.loads((out / "report.json").read_text())
    assert [entry["images"] for entry in report["history"]] == [4] and "accuracy" in report["history"][0]
    assert report["run"]["images_seen"] == 4
    assert json.loads((out / "check.json").read_text())["pictures"] == 40
    assert report["run"]["schedule_share"] == pytest.approx(4 / (9 * 24), abs=1e-4)


def test_images_can_be_mixed(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    recipe = write_recipe(augmentation={"mixup": 0.2, "cutmix": 0.5})

    assert math.isfinite(_train(recipe, pictures, tmp_path / "out").history[-1]["loss"])


def test_a_run_can_start_from_anothers_best_checkpoint(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path
) -> None:
    _train(write_recipe(), pictures, tmp_path / "first")
    start = ("init=checkpoint", f"init_weights={tmp_path / 'first' / 'best.pt'}", "training.learning_rate=1e-12")

    second = _train(write_recipe(), pictures, tmp_path / "second", *start, "training.epochs=1")

    kept = torch.load(tmp_path / "first" / "best.pt", weights_only=True)["model"]
    assert torch.allclose(second.model.state_dict()["head.weight"], kept["head.weight"], atol=1e-6)


def test_a_start_that_does_not_fit_is_refused(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "other.pt")

    with pytest.raises(RecipeError, match="is no best\\.pt of this network"):
        _train(write_recipe(), pictures, tmp_path / "out", "init=checkpoint", f"init_weights={tmp_path / 'other.pt'}")
    with pytest.raises(RecipeError, match="needs init_weights"):
        load_recipe(write_recipe(), ("init=checkpoint",))


def test_patience_ends_a_run(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    recipe = write_recipe(training={"epochs": 9, "patience": 1, "learning_rate": 1e-9})

    assert _train(recipe, pictures, tmp_path / "out").epoch == 2


def test_a_loss_that_is_not_finite_stops_the_run(write_recipe: WriteRecipe, pictures: Path) -> None:
    recipe = load_recipe(write_recipe())
    network = build_network(recipe)
    optimizer = make_optimizer(network, recipe.training)
    state = RunState(network, None, optimizer, make_schedule(optimizer, recipe.training, 1))

    def broken(model: torch.nn.Module, batch: Any) -> torch.Tensor:
        return torch.tensor(math.nan)

    with pytest.raises(TrainingError, match="epoch 1, step 1: the loss is nan"):
        train_one_epoch(state, [None], broken, clip_norm=5, dtype=None, report=lambda loss: None)


def test_a_checkpoint_is_not_overwritten_nor_mixed_up(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path
) -> None:
    _train(write_recipe(), pictures, tmp_path / "out", "training.epochs=1")

    with pytest.raises(RecipeError, match="holds a checkpoint already"):
        _train(write_recipe(), pictures, tmp_path / "out")
    with pytest.raises(RecipeError, match="was made by another recipe"):
        _train(write_recipe(), pictures, tmp_path / "out", "seed=9", resume=True)
    with pytest.raises(RecipeError, match="no checkpoint to resume from"):
        _train(write_recipe(), pictures, tmp_path / "new", resume=True)


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [(("training.batch_size=64",), "fewer training pictures"), (("training.monitor=ap50",), "is not one of accuracy")],
)
def test_a_recipe_that_does_not_fit_its_data_is_refused(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, overrides: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(RecipeError, match=complaint):
        _train(write_recipe(), pictures, tmp_path / "out", *overrides)


@pytest.mark.parametrize(("kind", "data"), [("classifier", "pictures"), ("detector", "boxes")])
def test_the_command_ends_with_a_bundle_whose_figures_can_be_repeated(
    kind: str,
    data: str,
    write_recipe: WriteRecipe,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = request.getfixturevalue(data), tmp_path / "out"

    status = main(["train", str(write_recipe(kind)), "--data", str(folder), "--out", str(out), "--device", "cpu"])

    assert status == 0, capsys.readouterr().err
    bundle = load_bundle(out / "bundle" / f"tiny_{kind}")
    assert "$" not in bundle.config.read_text() and not bundle.runs_code
    report = json.loads((out / "report.json").read_text())
    again = evaluate_bundle(bundle.path, folder, "test", torch.device("cpu"))
    assert json.loads(json.dumps(again)) == report["test"]
    card = (bundle.path / "docs" / "README.md").read_text()
    assert f"dicomnode evaluate models/tiny_{kind} --data DATA --split test" in card
    assert f"Threshold {bundle.node.operating_point.threshold:g}" in card


def test_evaluate_prints_and_writes_the_figures(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(["train", str(write_recipe()), "--data", str(pictures), "--out", str(out), "--device", "cpu", "--no-check"])
    assert not (out / "check.json").exists()
    capsys.readouterr()
    command = ["evaluate", str(out / "bundle" / "tiny_classifier"), "--data", str(pictures), "--device", "cpu"]

    assert main([*command, "--report", str(tmp_path / "figures.json")]) == 0
    assert "rows without a near duplicate" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "figures.json").read_text())
    assert main([*command, "--split", "nosuch"]) == 2


def test_describe_trains_nothing(write_recipe: WriteRecipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(write_recipe()), "--describe", "--json"]) == 0

    description = json.loads(capsys.readouterr().out)
    assert description["input_size"] == [1, 32, 32]
    assert description["parameters_total"] == description["parameters_trainable"] > 0
    assert description["training"]["epochs"] == 2


def test_train_without_data_says_what_is_missing(write_recipe: WriteRecipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(write_recipe())]) == 2
    assert "--data" in capsys.readouterr().err


def test_no_epochs_put_trained_parts_together(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    _train(write_recipe(), pictures, tmp_path / "first")
    weights = str(tmp_path / "first" / "best.pt")
    parts = {f"member_{n}": {"weights": weights, "target": f"members.{n}."} for n in range(2)}
    pair = write_recipe(training={"epochs": 0}, init="checkpoint", init_parts=parts)
    content = yaml.safe_load(pair.read_text())
    content["network"] = {"_target_": "dicomnode.networks.ClassifierEnsemble", "members": [content["network"]] * 2}
    pair.write_text(yaml.safe_dump(content))
    state = _train(pair, pictures, tmp_path / "pair")
    assert state.epoch == 0 and state.best is not None
    kept = torch.load(tmp_path / "pair" / "best.pt", weights_only=True)["model"]
    for name, weight in torch.load(weights, weights_only=True)["model"].items():
        assert torch.equal(kept[f"members.0.{name}"], weight) and torch.equal(kept[f"members.1.{name}"], weight)
