"""The recipes of the detectors say what was published, what was chosen, and run on generated lesions."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from dicomnode.bundles import build_network, load_bundle
from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.learning.data.generated_lesions import generate_lesions
from dicomnode.learning.data.sources import load_samples
from dicomnode.learning.engine import training
from dicomnode.learning.engine.memory import keep_no_activations
from dicomnode.learning.recipes.recipe import load_recipe

TRAINING = Path(__file__).parents[3] / "training"
MASK_RCNN = [f"mask_rcnn_{name}_fpn" for name in ("resnet50", "resnet101", "resnet18", "mobilenet_v3")]
RUNS = [f"mammo_mask_rcnn_{number}" for number in (1, 2, 3, 4)]
RECIPES = [*MASK_RCNN, "faster_rcnn_resnet50_fpn", "detectnet_resnet18", *RUNS]
FAMILIES = ["detectnet_resnet18"]  # the two-stage ones take a quarter of a minute each
EVERY_RECIPE = pytest.mark.skipif(
    not os.environ.get("DICOMNODE_TEST_RECIPES"), reason="set DICOMNODE_TEST_RECIPES=1, or call make test-recipes"
)


def describe(name: str, capsys: pytest.CaptureFixture[str], *overrides: str) -> dict[str, Any]:
    changes = [part for override in overrides for part in ("--set", override)]
    assert main(["train", str(TRAINING / f"{name}.yaml"), "--describe", "--json", *changes]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_all_that_its_run_needs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    description = describe(name, capsys)

    assert description["published"]["result"] and description["choices"]
    assert description["data"]["source"] and description["data"]["expected"]
    assert {"smoke", "tiles", "lean", "cdd_cesm"} <= set(description["variants"])
    node = load_recipe(TRAINING / f"{name}.yaml").bundle
    assert [item["name"] for item in node.dicomnode["classes"]] == description["data"]["classes"]
    image = node.metadata["network_data_format"]["inputs"]["image"]
    assert image["spatial_shape"] == description["input_size"][1:] == [1024, 1024]


@pytest.mark.parametrize("variant", ["tiles", "cdd_cesm", "lean"])
@pytest.mark.parametrize("name", [*MASK_RCNN, "faster_rcnn_resnet50_fpn", "detectnet_resnet18"])
def test_a_variant_goes_with_its_recipe(variant: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    description = describe(name, capsys, f"variant={variant}")

    assert description["parameters_trainable"] > 1_000_000
    assert len(description["data"]["classes"]) == (1 if variant == "cdd_cesm" else 3)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mask_rcnn_resnet50_fpn", 44_401_393),
        ("mask_rcnn_resnet101_fpn", 63_341_297),
        ("mask_rcnn_resnet18_fpn", 31_376_113),
        ("mask_rcnn_mobilenet_v3_fpn", 23_201_809),
        ("faster_rcnn_resnet50_fpn", 41_755_286),
    ],
)
def test_parameters_with_91_classes(name: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    description = describe(name, capsys)

    assert description["parameters_total_original_head"] == count
    assert description["published"]["figures"]["parameters_91_classes"] == count


@pytest.mark.parametrize(
    ("number", "batch", "epochs", "score", "loss"),
    [(1, 1, 50, 0.8, 1.35), (2, 4, 100, 0.8, 0.9), (3, 4, 100, 0.9, 0.6), (4, 1, 100, 0.9, 0.7)],
)
def test_the_four_runs(
    number: int, batch: int, epochs: int, score: float, loss: float, capsys: pytest.CaptureFixture[str]
) -> None:
    description = describe(f"mammo_mask_rcnn_{number}", capsys)

    section, augmentation = description["training"], description["augmentation"]
    assert (section["batch_size"], section["epochs"], section["steps_per_epoch"]) == (batch, epochs, epochs)
    assert description["network"]["min_score"] == score
    assert description["published"]["figures"]["loss_lowest"] == loss
    changed = [augmentation[name] > 0 for name in ("flip", "blur", "noise", "gain", "contrast")]
    assert all(changed) if number > 2 else not any(changed)
    if number in (2, 3):
        stopped = describe(f"mammo_mask_rcnn_{number}", capsys, "variant=stopped")
        assert stopped["training"]["epochs"] == {2: 27, 3: 26}[number]


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("mask_rcnn_resnet50_fpn", 16),
        ("mask_rcnn_resnet101_fpn", 33),
        ("mask_rcnn_mobilenet_v3_fpn", 17),
        ("faster_rcnn_resnet50_fpn", 16),
        ("detectnet_resnet18", 8),
    ],
)
def test_a_lean_run_computes_each_block_again(name: str, blocks: int) -> None:
    recipe = load_recipe(TRAINING / f"{name}.yaml", ("variant=lean",))
    with torch.device("meta"):
        network = training.build_network(recipe)

    keep_no_activations(network, recipe.training.checkpointing)

    assert sum("forward" in vars(module) for module in network.modules()) == blocks


def test_detectnet_has_the_published_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    section = describe("detectnet_resnet18", capsys)["training"]

    assert section["schedule"] == "soft_start_annealing"
    assert (section["soft_start"], section["annealing"]) == (0.1, 0.7)
    assert (section["lowest_learning_rate"], section["learning_rate"], section["l1"]) == (5e-6, 5e-4, 3e-9)


def test_generated_lesions_are_outlined(tmp_path: Path) -> None:
    recipe = load_recipe(TRAINING / "detectnet_resnet18.yaml", ("smoke=true",))
    samples = load_samples(recipe.data, generate_lesions(recipe, tmp_path / "data"))

    assert {sample.split for sample in samples} == {"train", "valid", "test"}
    assert {sample.label for sample in samples} == {0, 1, 2}
    assert all(len(sample.boxes) == 1 and sample.shapes[0] is not None for sample in samples)
    with pytest.raises(RecipeError, match=r"need task detection and data\.layout coco"):
        generate_lesions(load_recipe(TRAINING / "detectnet_resnet18.yaml"), tmp_path)


@pytest.mark.parametrize(
    "name", [*FAMILIES, *(pytest.param(name, marks=EVERY_RECIPE) for name in RECIPES if name not in FAMILIES)]
)
def test_a_small_run_learns_and_ends_with_a_bundle(name: str, tmp_path: Path) -> None:
    command = ["train", str(TRAINING / f"{name}.yaml"), "--set", "smoke=true", "--out", str(tmp_path)]
    assert main([*command, "--device", "cpu", "--no-check", "--no-tensorboard"]) == 0

    report = json.loads((tmp_path / "report.json").read_text())
    losses = [epoch["loss"] for epoch in report["history"]]
    assert losses[-1] < losses[0]
    assert report["test"]["all"]["images"] > 0 and report["run"]["peak_memory_mib"] > 0
    bundle = load_bundle(tmp_path / "bundle" / name)
    with torch.no_grad():
        (answer,) = build_network(bundle, torch.device("cpu"))([torch.rand(1, 64, 64)])
    assert answer["boxes"].shape == (len(answer["scores"]), 4) and answer["boxes"].isfinite().all()
