"""Detectors on images that no memory holds: random tiles in training, streamed whole images in validation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from dicomnode.errors import RecipeError
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.tiles import View, random_tile
from dicomnode.learning.engine.training import build_network, load_task
from dicomnode.learning.recipes.recipe import TilesSection, load_recipe

WriteRecipe = Callable[..., Path]
SCALE = {"_target_": "monai.transforms.ScaleIntensity", "minv": 0.0, "maxv": 1.0}
BOXES = ((20.0, 10.0, 40.0, 26.0), (100.0, 60.0, 140.0, 90.0))


def view() -> View:
    image = torch.zeros(1, 120, 160)
    for left, top, right, bottom in BOXES:
        image[:, int(top) : int(bottom), int(left) : int(right)] = 1
    sample = Sample("a", Path("a"), "train", 0, boxes=BOXES, box_labels=(0, 1))
    return View(image, torch.eye(4, dtype=torch.float64), sample)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_tiles_show_what_their_samples_say(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    section = TilesSection(size=(64, 48), lesion_share=share)
    shown = 0
    for _ in range(40):
        tile = random_tile(view(), section, generator)
        top, left = tile.affine[:2, 3].tolist()
        assert tile.image.shape == (1, 64, 48)
        assert torch.equal(tile.image, view().image[:, int(top) : int(top) + 64, int(left) : int(left) + 48])
        for box in tile.sample.boxes:
            x1, y1 = max(box[0] - left, 0), max(box[1] - top, 0)
            assert bool((tile.image[0, int(y1), int(x1)] == 1).item())
        shown += bool(tile.sample.boxes)

    assert shown == 40 if share else 5 < shown < 40


def test_a_small_image_is_filled_up() -> None:
    tile = random_tile(view(), TilesSection(size=(200, 200)), torch.Generator().manual_seed(0))

    assert tile.image.shape == (1, 200, 200) and len(tile.sample.boxes) == 2
    assert not tile.image[:, 120:].any() and not tile.image[:, :, 160:].any()


def tiled(**detector: Any) -> dict[str, Any]:
    target = "dicomnode.networks.LesionDetector"
    inner = {"_target_": target, "size": 32, "classes": 2, "channels": 8, "hidden": 16, **detector}
    return {"_target_": "dicomnode.networks.TiledDetector", "size": 32, "detector": inner, "min_contrast": 0.0}


def with_network(path: Path, network: dict[str, Any]) -> Path:
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, "network": network}))
    return path


def test_a_detector_is_trained_on_tiles_of_images_of_any_size(write_recipe: WriteRecipe, boxes: Path) -> None:
    with Image.open(boxes / "valid" / "1.png") as picture:
        picture.resize((80, 96)).save(boxes / "valid" / "1.png")
    data = {"tiles": {"size": [32, 32]}, "in_memory": False}
    changes: dict[str, Any] = {"data": data, "preprocessing": [SCALE], "training": {"batch_size": 4}}
    path = with_network(write_recipe("detector", **changes), tiled())
    task = load_task(load_recipe(path), boxes)

    ((images, targets), *_) = task.batches(torch.Generator().manual_seed(0), torch.device("cpu"))
    assert {tuple(image.shape) for image in images} == {(1, 32, 32)}
    assert sum(len(target["boxes"]) for target in targets) > 0
    assert all(target["masks"].shape[1:] == (32, 32) for target in targets)

    network = build_network(load_recipe(path))
    assert task.loss(network.train(), (images, targets)).isfinite()
    assert set(task.validate(network, None)) >= {"ap50"}


def test_images_of_different_sizes_need_tiles_that_are_streamed(write_recipe: WriteRecipe, boxes: Path) -> None:
    Image.new("L", (40, 40)).save(boxes / "train" / "1.png")

    with pytest.raises(RecipeError, match="images of different sizes"):
        load_task(load_recipe(write_recipe("detector", preprocessing=[SCALE])), boxes)


def test_tiles_need_a_network_that_looks_at_them(write_recipe: WriteRecipe) -> None:
    with pytest.raises(RecipeError, match="TiledDetector"):
        load_recipe(write_recipe("detector", data={"tiles": {"size": [32, 32]}}))


def test_the_start_is_that_of_the_detector_inside(write_recipe: WriteRecipe) -> None:
    with pytest.raises(RecipeError, match="init coco needs the network"):
        load_recipe(with_network(write_recipe("detector", init="coco"), tiled()))
    mask_rcnn = {"_target_": "dicomnode.networks.MaskRcnn", "backbone": "resnet50", "classes": 2}
    network = {"_target_": "dicomnode.networks.TiledDetector", "size": 32, "detector": mask_rcnn}

    assert load_recipe(with_network(write_recipe("detector", init="coco"), network)).init == "coco"
