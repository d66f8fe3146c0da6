"""The recipes and bundles that this repository publishes."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from dicomnode.bundles import build_network, build_preprocessing, load_bundle
from dicomnode.learning.data.pictures import read_picture
from dicomnode.learning.data.sources import load_samples, of_split
from dicomnode.learning.data.splits import close_pairs, difference_hash, exact_pairs
from dicomnode.learning.description import describe
from dicomnode.learning.recipes.recipe import load_recipe

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "training").glob("*.yaml"))
BUNDLES = sorted(path.parents[1] for path in (ROOT / "models").glob("*/configs/metadata.json"))
LIMITS = {  # MB
    "blood_cell_classifier": 30,
    "brain_mri_lesion_detector": 60,
    "brain_mri_tumor_classifier": 30,
    "histology_idc_classifier": 30,
    "mammography_lesion_detector": 60,
}
UNSHIPPED = {  # runs that another goes on from; pictures of doubtful licence
    "blood_cell_start",
    "brain_mri_lesion_fine",
    "brain_mri_lesion_mask_rcnn",
    "brain_mri_lesion_start",
    "brain_mri_tumor_start",
    "chest_ct_classifier",
    "histology_idc_start",
}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_builds_its_network(path: Path) -> None:
    recipe = load_recipe(path)

    description = describe(recipe)

    assert recipe.name == path.stem
    assert description["parameters_total"] >= description["parameters_trainable"] > 1_000
    assert recipe.bundle.license_file.is_file()


def test_every_recipe_of_ours_has_its_bundle() -> None:
    ours = [path.stem for path in RECIPES if load_recipe(path).published is None]
    assert [path.name for path in BUNDLES] == sorted(set(ours) - UNSHIPPED) == sorted(LIMITS)
    assert set(ours) > UNSHIPPED


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_a_bundle_is_what_its_recipe_describes(path: Path) -> None:
    recipe, bundle = load_recipe(ROOT / "training" / f"{path.name}.yaml"), load_bundle(path)

    config = json.loads(bundle.config.read_text())
    assert config["network_def"] == recipe.network
    assert config["preprocessing"]["transforms"] == list(recipe.preprocessing)
    assert tuple(item.name for item in bundle.node.classes) == recipe.data.classes
    assert bundle.version == recipe.bundle.version
    assert not bundle.runs_code
    assert bundle.weights.stat().st_size <= LIMITS[recipe.name] * 1_000_000


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_a_bundle_answers_on_a_deep_picture(path: Path) -> None:
    """Pixels of any depth and shape go through the bundle's own preprocessing."""
    bundle = load_bundle(path)
    picture = torch.rand(bundle.channels, 320, 260, generator=torch.Generator().manual_seed(0)) * 4000

    processed = build_preprocessing(bundle)(MetaTensor(picture, affine=torch.eye(4, dtype=torch.float64)))
    with torch.no_grad():
        answer = build_network(bundle, torch.device("cpu"))(processed.as_tensor()[None])

    assert processed.shape[-1] == processed.shape[-2]
    values = answer if isinstance(answer, torch.Tensor) else answer[0]["scores"]
    assert values.isfinite().all()


def _data(name: str) -> Path:
    return Path(os.environ["DICOMNODE_TEST_DATA"]) / name


@pytest.mark.data
def test_the_validation_list_splits_no_group() -> None:
    folder = _data("brain_mri")
    with (ROOT / "training" / "splits" / "brain_mri_valid.csv").open(newline="") as lines:
        held = {row["path"] for row in csv.DictReader(lines)}
    with (folder / "labels.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == "train"]

    hashes = np.stack([difference_hash(folder / row["path"]) for row in rows])
    pairs = [*exact_pairs([row["dup_group"] for row in rows]), *close_pairs(hashes)]
    names = [row["path"] for row in rows]

    assert 0.145 < len(held) / len(rows) < 0.155
    assert all((names[a] in held) == (names[b] in held) for a, b in pairs)


@pytest.mark.data
def test_the_classifier_reads_real_slices() -> None:
    """A few pictures only; `dicomnode evaluate` repeats the figures of the model card."""
    recipe = load_recipe(ROOT / "training" / "brain_mri_tumor_classifier.yaml")
    bundle = load_bundle(ROOT / "models" / recipe.name)
    samples = [s for s in of_split(load_samples(recipe.data, _data("brain_mri")), "test") if s.clean][::12]
    transform, network = build_preprocessing(bundle), build_network(bundle, torch.device("cpu"))

    images = torch.stack([transform(read_picture(sample.path)).as_tensor() for sample in samples])
    with torch.no_grad():
        predicted = network(images).argmax(dim=1)

    right = (predicted == torch.tensor([sample.label for sample in samples])).double().mean()
    assert right >= 0.9


@pytest.mark.data
def test_the_detector_finds_real_lesions() -> None:
    recipe = load_recipe(ROOT / "training" / "brain_mri_lesion_detector.yaml")
    bundle = load_bundle(ROOT / "models" / recipe.name)
    samples = of_split(load_samples(recipe.data, _data("brain_mri_boxes")), "test")[::25]
    transform, network = build_preprocessing(bundle), build_network(bundle, torch.device("cpu"))

    found = 0
    for sample in samples:
        with torch.no_grad():
            (answer,) = network([transform(read_picture(sample.path)).as_tensor()])
        left, top, right, bottom = sample.boxes[0]
        if len(answer["boxes"]):
            x, y = (answer["boxes"][0, :2] + answer["boxes"][0, 2:]).tolist()
            found += left <= x / 2 <= right and top <= y / 2 <= bottom
    assert found >= len(samples) // 2
