"""Two processes on one machine train what one does."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.learning.engine.ranks import Ranks
from dicomnode.learning.engine.training import make_run
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]

NETWORK = {
    "_target_": "dicomnode.networks.HistologyCnn",
    "size": 32,
    "classes": 2,
    "in_channels": 1,
    "channels": [4, 4],
    "hidden": 8,
}
TRAINING = {"epochs": 3, "l1": 1e-4, "stages": [{"epochs": 1, "train_only": ["head"]}]}


@pytest.mark.timeout(600)  # three interpreters import torch, on whatever machine this is
def test_two_processes_give_what_one_gives(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    augmentation = {"flip": 0, "rotation_degrees": 0, "noise": 0}
    recipe = write_recipe(training=TRAINING, augmentation=augmentation)
    recipe.write_text(recipe.read_text() + f"\nnetwork: {json.dumps(NETWORK)}\n")
    command = [
        "train",
        str(recipe),
        "--data",
        str(pictures),
        "--device",
        "cpu",
        "--no-tensorboard",
        "--no-check",
        "--out",
    ]
    assert main([*command, str(tmp_path / "one")]) == 0

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "dicomnode"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*torchrun, *command, str(tmp_path / "two")], env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("one", "two"))
    for epoch, other in zip(one["history"], two["history"], strict=True):
        assert other == pytest.approx(epoch, rel=1e-3, abs=1e-3)
    assert done.stdout.count("bundle:") == 1  # one process speaks
    first, second = (torch.load(tmp_path / name / "last.pt", weights_only=True)["model"] for name in ("one", "two"))
    assert all(torch.allclose(first[name], second[name], atol=1e-3) for name in first)


def test_a_batch_that_cannot_be_shared_is_refused(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="batch_size 8: must be a multiple of the 3 processes"):
        make_run(load_recipe(write_recipe()), pictures, tmp_path / "out", "cpu", ranks=Ranks(1, 3))
