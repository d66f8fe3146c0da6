"""The recipes of the mammography studies say what was published and run on generated exams."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from dicomnode.bundles import build_network, load_bundle
from dicomnode.cli.main import main
from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.learning.engine.memory import keep_no_activations
from dicomnode.learning.engine.training import build_network as build_recipe_network
from dicomnode.learning.recipes.recipe import load_recipe

TRAINING = Path(__file__).parents[3] / "training"
IMAGES = ["gmic_resnet18", "gmic_resnet34", "gmic_resnet50", "resnet34_fc", "resnet34_1x1conv"]
EXAMS = ["dmv_cnn", "dmv_cnn_heatmaps", "dmv_cnn_image", "dmv_cnn_breast", "dmv_cnn_joint"]
FAMILIES = ["gmic_resnet18", "resnet34_1x1conv", "dmv_cnn"]
EVERY_RECIPE = pytest.mark.skipif(
    not os.environ.get("DICOMNODE_TEST_RECIPES"), reason="set DICOMNODE_TEST_RECIPES=1, or call make test-recipes"
)
SMOKE = [*FAMILIES, *(pytest.param(name, marks=EVERY_RECIPE) for name in IMAGES + EXAMS if name not in FAMILIES)]


def describe(name: str, capsys: pytest.CaptureFixture[str], *overrides: str) -> dict[str, Any]:
    changes = [part for override in overrides for part in ("--set", override)]
    assert main(["train", str(TRAINING / f"{name}.yaml"), "--describe", "--json", *changes]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def train(name: str, out: Path, *overrides: str) -> dict[str, Any]:
    changes = [part for override in ("smoke=true", *overrides) for part in ("--set", override)]
    command = ["train", str(TRAINING / f"{name}.yaml"), *changes, "--out", str(out), "--device", "cpu", "--no-check"]
    assert main([*command, "--no-tensorboard"]) == 0
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


@pytest.mark.parametrize("name", [*IMAGES, *EXAMS, "dmv_birads"])
def test_a_recipe_says_all_that_its_run_needs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    description = describe(name, capsys)

    assert description["published"]["result"] and description["choices"]
    assert description["data"]["source"] and description["data"]["expected"]
    assert description["variants"]["smoke"] and description["variant"] == []
    bundle = load_recipe(TRAINING / f"{name}.yaml").bundle
    assert [item["name"] for item in bundle.dicomnode["classes"]] == description["data"]["classes"]
    image = bundle.metadata["network_data_format"]["inputs"]["image"]
    assert image["spatial_shape"] == description["input_size"][1:] and image["num_channels"] == 1


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("gmic_resnet18", 14_110_322),
        ("dmv_cnn", 6_132_592),
        ("dmv_cnn_heatmaps", 6_135_728),
        ("resnet34_fc", 21_285_698),
        ("resnet34_1x1conv", 21_285_696),
    ],
)
def test_parameters_are_as_published(name: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    description = describe(name, capsys)

    assert description["parameters_total"] == description["parameters_trainable"] == count


def test_input_sizes_are_as_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert describe("gmic_resnet18", capsys)["input_size"] == [1, 2944, 1920]
    views = describe("dmv_cnn", capsys)
    assert (views["input_size"], views["input_size_mlo"]) == ([1, 2677, 1942], [1, 2974, 1748])
    assert describe("dmv_cnn_heatmaps", capsys)["input_size"] == [3, 2677, 1942]


@pytest.mark.parametrize("name", ["gmic_resnet50", "resnet34_fc", "dmv_cnn_joint"])
def test_a_run_in_little_memory_is_a_variant(name: str) -> None:
    recipe = load_recipe(TRAINING / f"{name}.yaml", ("smoke=true", "variant=little_memory", "training.batch_size=12"))

    keep_no_activations(build_recipe_network(recipe), recipe.training.checkpointing)

    assert recipe.training.accumulate > 1 and recipe.training.checkpointing


@pytest.mark.parametrize("name", EXAMS)
def test_pre_training_is_a_variant(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert describe(name, capsys)["init"] == "random"
    begun = describe(name, capsys, "variant=birads")
    assert begun["init"] == "checkpoint" and begun["init_parts"]["columns"]["target"] == "columns."


@pytest.mark.parametrize("name", SMOKE)
def test_a_small_run_learns_and_ends_with_a_bundle(name: str, tmp_path: Path) -> None:
    report = train(name, tmp_path)

    losses = [epoch["loss"] for epoch in report["history"]]
    assert losses[-1] < losses[0]
    figures = report["test"]["all"]
    assert (figures["exams"], figures["breasts"], figures["images"]) == (4, 8, 16)
    assert figures["classes"]["malignant"]["breast_auc"] is not None
    bundle = load_bundle(tmp_path / "bundle" / name)
    shown, node = bundle.node.exam, bundle.node
    assert shown is not None and node.operating_point.level == "breast" and node.calibration is not None
    network = build_network(bundle, torch.device("cpu"))
    with torch.no_grad():
        if shown.unit == "image":
            assert network(torch.randn(1, 1, *shown.cc_size))["scores"].shape == (1, 2)
            return
        sizes = {view: shown.cc_size if view.endswith("CC") else shown.mlo_size for view in STANDARD_VIEWS}
        scores = network({view: torch.randn(1, 1, *size) for view, size in sizes.items()})["scores"]
    assert scores.shape == (1, 2, 2)


def test_readers_stand_beside_an_exam_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("resnet34_1x1conv", tmp_path, "training.epochs=1")
    data = next(path.parent for path in tmp_path.rglob("labels.csv"))
    rows = list(csv.DictReader((data / "labels.csv").read_text().splitlines()))
    breasts = {(row["exam"], row["laterality"], row["malignant"]): None for row in rows if row["split"] == "test"}
    lines = [
        f"{reader},{exam},{side},{'4C' if found == '1' else 2}" for reader in "ab" for exam, side, found in breasts
    ]
    table = tmp_path / "readers.csv"
    table.write_text("\n".join(["reader,exam,breast,birads", *lines]))
    capsys.readouterr()

    command = ["evaluate", str(tmp_path / "bundle" / "resnet34_1x1conv"), "--data", str(data), "--device", "cpu"]
    assert main([*command, "--readers", str(table), "--report", str(tmp_path / "report")]) == 0
    assert "2 readers, 8 cases (unit: breast, by exam)" in capsys.readouterr().out
    study = json.loads((tmp_path / "report" / "report.json").read_text())["readers"]
    assert (study["readers"]["auc"], study["sensitivity"], study["resampled"]) == (1, 1, "patient")
    assert "The reader beside the model" in (tmp_path / "report" / "report.html").read_text()


@EVERY_RECIPE
def test_pre_training_begins_the_run_on_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = train("dmv_birads", tmp_path / "birads")
    assert report["history"][-1]["loss"] < report["history"][0]["loss"]
    assert not (tmp_path / "birads" / "bundle").exists()
    capsys.readouterr()

    weights = tmp_path / "birads" / "best.pt"
    train("dmv_cnn", tmp_path / "findings", "variant=birads", f"init_parts.columns.weights={weights}")

    told = capsys.readouterr().err
    assert "left out there: hidden.weight" in told and "drawn at random: heads.cc, heads.mlo" in told
