"""Tiny data sets and recipes: a bright disc is a tumour, none is none."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

_CODE = {"value": "126952004", "scheme": "SCT", "meaning": "Neoplasm of brain"}
_TEXT = "A sentence."
_RESIZE = {"_target_": "monai.transforms.Resize", "size_mode": "longest", "mode": "bilinear"}
_PAD = {"_target_": "monai.transforms.SpatialPad", "spatial_size": [32, 32]}
_SCALE = {
    "_target_": "monai.transforms.ScaleIntensityRangePercentiles",
    "lower": 0.5,
    "upper": 99.5,
    "b_min": 0.0,
    "b_max": 1.0,
    "clip": True,
}

WriteRecipe = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def draw(path: Path, random: np.random.Generator, disc: tuple[float, float, float] | None, size: int = 48) -> None:
    """A dark picture with noise and, if asked for, a bright disc (column, row, radius)."""
    pixels = random.uniform(20, 60, (size, size))
    if disc is not None:
        rows, columns = np.mgrid[:size, :size] + 0.5
        pixels[(columns - disc[0]) ** 2 + (rows - disc[1]) ** 2 <= disc[2] ** 2] = 220
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A classification set with labels.csv: 24 train, 8 valid, 8 test."""
    folder, random = tmp_path / "pictures", np.random.default_rng(0)
    rows = []
    for split, count in (("train", 24), ("valid", 8), ("test", 8)):
        for number in range(count):
            label = ("tumour", "none")[number % 2]
            name = f"{split}/{label}/{number}.png"
            disc = (random.uniform(14, 34), random.uniform(14, 34), 9.0) if label == "tumour" else None
            draw(folder / name, random, disc)
            rows.append((name, label, split, "", "1" if split == "test" and number < 2 else "0"))
    with (folder / "labels.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([("path", "label", "split", "patient", "near_dup_in_train"), *rows])
    return folder


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """A detection set in COCO form: 8 train, 4 valid, 4 test."""
    folder, random = tmp_path / "boxes", np.random.default_rng(0)
    for split, count in (("train", 8), ("valid", 4), ("test", 4)):
        content: dict[str, Any] = {"categories": [{"id": 1, "name": "small"}, {"id": 2, "name": "large"}]}
        content |= {"images": [], "annotations": []}
        for number in range(count):
            radius = (7.0, 12.0)[number % 2]
            column, row = random.uniform(16, 48, 2)
            draw(folder / split / f"{number}.png", random, (column, row, radius), size=64)
            box = [column - radius, row - radius, 2 * radius, 2 * radius]
            content["images"].append({"id": number, "file_name": f"{split}/{number}.png"})
            annotation = {"id": number + 1, "image_id": number, "category_id": number % 2 + 1, "bbox": box}
            content["annotations"].append(annotation)
        (folder / f"annotations_{split}.json").write_text(json.dumps(content))
    return folder


def _node(names: tuple[str, ...]) -> dict[str, Any]:
    family = {"value": "123110", "scheme": "DCM", "meaning": "Artificial Intelligence"}
    return {
        "algorithm": {"name": "tiny", "version": "0.1.0", "manufacturer": "dicomnode", "family": family},
        "accepts": {"modality": ["MR"]},
        "classes": [{"name": name, "code": _CODE, "is_finding": name != "none"} for name in names],
        "finding_site": {"value": "12738006", "scheme": "SCT", "meaning": "Brain"},
        "study_concept": _CODE,
        "aggregation": {"statement": _TEXT},
    }


def _bundle(names: tuple[str, ...]) -> dict[str, Any]:
    card = ("summary", "data", "split", "method", "intended_use", "not_for", "limits")
    metadata = ("description", "authors", "copyright", "data_source", "task")
    return {
        "version": "0.1.0",
        "license_file": "LICENSE",
        "metadata": {**dict.fromkeys(metadata, _TEXT), "network_data_format": {}},
        "dicomnode": _node(names),
        "card": dict.fromkeys(card, _TEXT),
    }


def _classifier() -> dict[str, Any]:
    return {
        "name": "tiny_classifier",
        "task": "classification",
        "seed": 1,
        "data": {"layout": "labels_csv", "classes": ["tumour", "none"], "clean_column": "near_dup_in_train"},
        "network": {"_target_": "dicomnode.networks.ResNetClassifier", "classes": 2, "width": 4, "blocks": 1},
        "preprocessing": [_SCALE, {**_RESIZE, "spatial_size": 32}, _PAD],
        "augmentation": {"flip": 0.5, "rotation_degrees": 10, "noise": 0.02},
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.003, "monitor": "accuracy"},
        "operating_point": {"rule": "sensitivity", "value": 0.9},
        "bundle": _bundle(("tumour", "none")),
    }


def _detector() -> dict[str, Any]:
    network = {"_target_": "dicomnode.networks.LesionDetector", "size": 64, "classes": 2, "channels": 8, "hidden": 16}
    return {
        "name": "tiny_detector",
        "task": "detection",
        "data": {"layout": "coco", "classes": ["small", "large"]},
        "network": network,
        "preprocessing": [_SCALE, {**_RESIZE, "spatial_size": 64}],
        "training": {"epochs": 1, "batch_size": 4, "learning_rate": 0.001, "monitor": "ap50"},
        "operating_point": {"rule": "f1"},
        "bundle": _bundle(("small", "large")),
    }


@pytest.fixture
def write_recipe(tmp_path: Path) -> WriteRecipe:
    """Write a tiny recipe, with some top-level sections changed, and return its path."""

    def write(kind: str = "classifier", **changes: Any) -> Path:
        content = {"classifier": _classifier, "detector": _detector}[kind]()
        for name, value in changes.items():
            content[name] = {**content.get(name, {}), **value} if isinstance(value, dict) else value
        (tmp_path / "LICENSE").write_text("Apache-2.0")
        path = tmp_path / f"{kind}.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write
