"""The recipes of the published studies say what was published, what was chosen, and run on generated images."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from dicomnode.bundles import Bundle, build_network, build_preprocessing, load_bundle
from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.inference.analyse import analyse
from dicomnode.inference.predictor import Predictor
from dicomnode.learning.data.generated import generate_pictures
from dicomnode.learning.recipes.recipe import load_recipe
from tests.factories import as_study, make_micrograph, make_slide, write_instance

TRAINING = Path(__file__).parents[3] / "training"
BLOOD = [f"blood_{network}_{size}" for network in ("cnn", "resnet18", "resnet34") for size in (32, 400)]
CHEST = [f"chest_ct_{name}" for name in ("cnn", "resnet50_fc", "resnet50_last", "inception_fc", "inception_last")]
RECIPES = ["brain_mri_cnn", *CHEST, "idc_cnn", "idc_efficientnet_b0", *BLOOD, "mammo_resnet18", "dmv_patches"]
FAMILIES = ["brain_mri_cnn", "chest_ct_cnn", "idc_cnn", "blood_cnn_32", "blood_resnet18_32"]
EVERY_RECIPE = pytest.mark.skipif(
    not os.environ.get("DICOMNODE_TEST_RECIPES"), reason="set DICOMNODE_TEST_RECIPES=1, or call make test-recipes"
)
SMOKE = [*FAMILIES, *(pytest.param(name, marks=EVERY_RECIPE) for name in RECIPES if name not in FAMILIES)]


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
    assert description["variants"]["smoke"] and description["variant"] == []
    node = load_recipe(TRAINING / f"{name}.yaml").bundle
    assert [item["name"] for item in node.dicomnode["classes"]] == description["data"]["classes"]
    image = node.metadata["network_data_format"]["inputs"]["image"]
    assert image["spatial_shape"] == description["input_size"][1:]
    assert image["num_channels"] == (3 if description["data"]["colour"] == "rgb" else 1)


@pytest.mark.parametrize(
    ("name", "key", "count"),
    [
        ("chest_ct_cnn", "parameters_trainable", 14_547_908),
        ("chest_ct_resnet50_fc", "parameters_total_original_head", 25_557_032),
        ("chest_ct_resnet50_last", "parameters_total_original_head", 25_557_032),
        ("chest_ct_inception_fc", "parameters_total_original_head", 27_161_264),
        ("chest_ct_inception_last", "parameters_total_original_head", 27_161_264),
        ("chest_ct_resnet50_fc", "parameters_trainable", 2048 * 4 + 4),
        ("chest_ct_inception_fc", "parameters_trainable", 2048 * 4 + 4),
    ],
)
def test_parameters_are_as_published(name: str, key: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert describe(name, capsys)[key] == count


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("brain_mri_cnn", [3, 224, 224]),
        ("chest_ct_cnn", [1, 224, 224]),
        ("chest_ct_inception_last", [3, 299, 299]),
        ("idc_efficientnet_b0", [3, 200, 200]),
        ("blood_resnet34_400", [3, 400, 400]),
        ("mammo_resnet18", [3, 1202, 756]),
    ],
)
def test_input_sizes_are_as_published(name: str, size: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert describe(name, capsys)["input_size"] == size


def test_the_first_run_of_the_brain_study_is_a_variant(capsys: pytest.CaptureFixture[str]) -> None:
    second, first = describe("brain_mri_cnn", capsys), describe("brain_mri_cnn", capsys, "variant=first_run")

    assert (second["training"]["epochs"], second["network"]["first_dropout"]) == (100, 0.0)
    assert (first["training"]["epochs"], first["network"]["first_dropout"]) == (55, 0.3)
    assert first["training"]["patience"] == 10


@pytest.mark.parametrize(
    ("name", "epochs", "longer"), [("blood_cnn_32", 45, 60), ("blood_resnet18_400", 30, 50), ("blood_cnn_400", 45, 60)]
)
def test_the_blood_study_has_both_lengths(
    name: str, epochs: int, longer: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert describe(name, capsys)["training"]["epochs"] == epochs
    assert describe(name, capsys, "variant=longer")["training"]["epochs"] == longer


def test_without_data_the_public_set_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(TRAINING / "blood_cnn_32.yaml")]) == 2
    assert "AML-Cytomorphology_LMU" in capsys.readouterr().err


def test_generated_images_need_a_table(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"need task classification and data\.layout labels_csv"):
        generate_pictures(load_recipe(TRAINING / "chest_ct_cnn.yaml"), tmp_path)


@pytest.mark.parametrize(
    "name", [*FAMILIES, *(pytest.param(n, marks=EVERY_RECIPE) for n in RECIPES if n not in FAMILIES)]
)
def test_a_small_run_learns_and_ends_with_a_bundle(name: str, tmp_path: Path) -> None:
    recipe = str(TRAINING / f"{name}.yaml")

    assert main(["train", recipe, "--set", "smoke=true", "--out", str(tmp_path), "--device", "cpu"]) == 0

    report = json.loads((tmp_path / "report.json").read_text())
    losses = [epoch["loss"] for epoch in report["history"]]
    assert losses[-1] < losses[0]
    assert report["test"]["all"]["images"] > 0
    bundle = load_bundle(tmp_path / "bundle" / name)
    picture = torch.rand(bundle.channels, 90, 70) * 255
    image = build_preprocessing(bundle)(MetaTensor(picture, affine=torch.eye(4, dtype=torch.float64)))
    with torch.no_grad():
        answer = build_network(bundle, torch.device("cpu"))(image.as_tensor()[None])
    assert answer.shape == (1, len(bundle.node.classes)) and answer.isfinite().all()
    if bundle.node.aggregation.unit != "slice":
        assert counted(bundle, tmp_path) == {"tile": 12, "cell": 3}[bundle.node.aggregation.unit]


def counted(bundle: Bundle, folder: Path) -> int:
    """How many tiles or cells the model examines in a generated image that it is for."""
    random = np.random.default_rng(0)
    tissue = np.clip(np.array((200, 120, 180)) + random.integers(-30, 30, (150, 200, 3)), 0, 255).astype(np.uint8)
    if bundle.node.tiling is not None:
        image = make_slide(tissue)
    else:
        image = make_micrograph(np.stack([tissue] * 3), spacing=None, modality="XC")
    series = as_study([write_instance(image, folder / "image.dcm")])
    predictor = Predictor(bundle, torch.device("cpu"))
    result = analyse(series, series.series, bundle, predictor, datetime(2026, 5, 1, tzinfo=UTC), "digest")
    assert result.answer is not None and result.answer.tally is not None, result.reason
    return result.answer.tally.examined
