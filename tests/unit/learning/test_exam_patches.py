"""Patches for the classifier that draws heat maps."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicomnode.errors import RecipeError
from dicomnode.learning.data.generated_exams import generate_exams
from dicomnode.learning.data.patches import RANGE, main
from dicomnode.learning.recipes.recipe import load_recipe

TRAINING = Path(__file__).parents[3] / "training"
RECIPE = TRAINING / "dmv_cnn_heatmaps.yaml"


def cut(tmp_path: Path, *more: str) -> list[dict[str, str]]:
    data = generate_exams(load_recipe(RECIPE, ("smoke=true",)), tmp_path / "exams")
    command = [str(RECIPE), "--data", str(data), "--out", str(tmp_path / "patches"), "--set", "smoke=true"]
    assert main([*command, "--side", "24", "--count", "3", *more]) == 0
    with (tmp_path / "patches" / "labels.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_patches_are_labelled_by_what_they_show(tmp_path: Path) -> None:
    rows = cut(tmp_path)

    brightest: dict[str, list[float]] = {}
    for row in rows:
        pixels = np.asarray(Image.open(tmp_path / "patches" / row["path"]))
        assert pixels.shape == (24, 24) and pixels.dtype == np.uint16
        brightest.setdefault(row["label"], []).append(float(pixels.max()) / 65535 * 2 * RANGE - RANGE)
    assert set(brightest) == {"malignant", "benign", "outside", "negative"}
    assert min(brightest["malignant"]) > np.median(brightest["negative"])
    assert {row["split"] for row in rows} == {"train", "valid", "test"}
    assert all(row["patient"] == f"{row['split']}-{row['patient'].split('-')[1]}" for row in rows)


def test_patches_are_cut_from_exams_only(tmp_path: Path) -> None:
    recipe = str(TRAINING / "dmv_patches.yaml")
    with pytest.raises(RecipeError, match="patches are cut from exams"):
        main([recipe, "--data", str(tmp_path), "--out", str(tmp_path / "out")])
