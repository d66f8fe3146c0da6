"""The last layer trained on embeddings with made-up ones of the rarer class."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.learning.engine.smote import Embeddings, drawn, last_linear, oversample
from dicomnode.learning.engine.training import build_network
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]


def embeddings(common: int, rare: int) -> Embeddings:
    generator = torch.Generator().manual_seed(0)
    values = torch.cat([torch.rand(common, 3, generator=generator), 5 + torch.rand(rare, 3, generator=generator)])
    return Embeddings(values, torch.tensor([0] * common + [1] * rare))


def test_the_rarer_class_is_made_up_between_its_own() -> None:
    found = embeddings(20, 6)

    made, again = oversample(found, 1), oversample(found, 1)

    assert made.labels.bincount().tolist() == [20, 20] and made.values.dtype == torch.float32
    assert torch.equal(made.values[:26], found.values) and torch.equal(made.values, again.values)
    new = made.values[26:]
    assert (made.labels[26:] == 1).all() and new.min() >= 5 and new.max() <= 6


def test_two_of_a_class_are_enough_and_one_is_not() -> None:
    assert oversample(embeddings(5, 2), 1).labels.bincount().tolist() == [5, 5]
    with pytest.raises(RecipeError, match="a class has a single training picture"):
        oversample(embeddings(5, 1), 1)


def test_the_share_of_every_class_is_kept() -> None:
    labels = torch.tensor([0] * 900 + [1] * 100)

    chosen = drawn(labels, 100, torch.Generator().manual_seed(0))

    assert labels[chosen].bincount().tolist() == [90, 10] and chosen.unique().numel() == 100
    assert torch.equal(drawn(labels, 5000, torch.Generator().manual_seed(0)), torch.arange(1000))


def test_a_network_without_a_linear_layer_is_refused() -> None:
    with pytest.raises(RecipeError, match="no linear layer"):
        last_linear(nn.Conv2d(1, 1, 1))


def test_a_run_ends_with_a_new_last_layer_on_the_same_body(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path
) -> None:
    table = pictures / "labels.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join(row for row in rows if row.split("/")[-1].split(".")[0] not in {"13", "15", "17"}))
    out = tmp_path / "out"
    path = write_recipe(training={"epochs": 1, "class_balance": "smote", "smote_epochs": 2})
    command = ["train", str(path), "--data", str(pictures), "--out", str(out), "--device", "cpu"]

    assert main(command) == 0

    report = json.loads((out / "smote.json").read_text())
    assert report["embeddings"] == [12, 9] and report["with_made_up"] == [12, 12] and len(report["epochs"]) == 2
    best = torch.load(out / "best.pt", weights_only=True)
    body, head = best["state"]["model"], best["model"]
    assert {name for name in body if not torch.equal(body[name], head[name])} == {"head.weight", "head.bias"}
    network = build_network(load_recipe(path))
    network.load_state_dict(head)

    assert main([*command, "--resume"]) == 0  # nothing is left to train, and the layer becomes the same again
    again = torch.load(out / "best.pt", weights_only=True)["model"]
    assert all(torch.equal(head[name], again[name]) for name in head)
