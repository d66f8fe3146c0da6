"""Masks of annotated outlines and run lengths follow preprocessing and augmentation; others are ellipses."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from dicomnode.learning.data.augmentation import random_affine
from dicomnode.learning.data.lesion_masks import moved_lesions
from dicomnode.learning.data.plane_maps import augmented_to_processed, processed_to_source
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.shapes import Outline, Shape, encode_runs, shape_mask
from dicomnode.learning.engine.training import load_task
from dicomnode.learning.recipes.augmentation import AugmentationSection
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]
HALF = torch.diag(torch.tensor([2.0, 2.0, 1.0, 1.0], dtype=torch.float64))
HALF[:2, 3] = 0.5  # pixel indices of an image of half the size; an index is a pixel's centre
STILL = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
TRIANGLE = Outline((((20.0, 10.0), (50.0, 20.0), (24.0, 44.0)),))
BOX = (20.0, 10.0, 50.0, 44.0)


def sample(shape: Shape | None) -> Sample:
    return Sample("a", Path("a"), "train", 0, boxes=(BOX,), box_labels=(0,), shapes=(shape,))


def same(first: torch.Tensor, second: torch.Tensor) -> float:
    first, second = first.bool(), second.bool()
    return float((first & second).sum() / (first | second).sum())


def test_maps_undo_each_other_and_chain() -> None:
    theta = torch.tensor([[0.8, 0.1, 0.2], [-0.2, 1.1, -0.1]])
    chained = processed_to_source(HALF).after(augmented_to_processed(theta, 32, 48))
    points = np.array([[0.0, 0.0], [10.0, 5.0]])

    assert np.allclose(processed_to_source(HALF)(points), 2 * points)
    assert np.allclose(chained.inverse()(chained(points)), points)


@pytest.mark.parametrize("seed", range(4))
def test_a_shape_moves_as_the_pixels_do(seed: int) -> None:
    section = AugmentationSection(flip=0.5, rotation_degrees=30, scale=(0.8, 1.25), shift=0.1, stretch=0.1)
    theta = random_affine(1, section, torch.Generator().manual_seed(seed))
    whole = shape_mask(TRIANGLE, 64, 64)
    small = functional.avg_pool2d(torch.from_numpy(whole)[None, None].float(), 2)
    grid = functional.affine_grid(theta, [1, 1, 32, 32], align_corners=False)
    pixels = functional.grid_sample(small, grid, align_corners=False)[0, 0] > 0.5

    for shape in (TRIANGLE, encode_runs(whole)):
        boxes, masks = moved_lesions(sample(shape), HALF, theta[0], (32, 32), (64, 64), drawn=True)
        assert same(masks[0], pixels) > 0.85
        rows, columns = torch.nonzero(masks[0], as_tuple=True)
        limits = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert boxes[0].tolist() == [float(limit) for limit in limits]


def test_without_a_shape_or_on_request_it_is_the_ellipse() -> None:
    wanted = moved_lesions(sample(None), HALF, STILL, (32, 32), (64, 64), drawn=True)
    forced = moved_lesions(sample(TRIANGLE), HALF, STILL, (32, 32), (64, 64), drawn=False)

    assert torch.equal(wanted[1], forced[1])
    assert wanted[0].tolist() == [[10.0, 5.0, 25.0, 22.0]]


def test_a_shape_that_left_the_image_has_no_mask() -> None:
    away = torch.tensor([[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]])

    for shape in (TRIANGLE, encode_runs(shape_mask(TRIANGLE, 64, 64)), encode_runs(np.zeros((64, 64), np.bool_))):
        boxes, masks = moved_lesions(sample(shape), HALF, away, (32, 32), (64, 64), drawn=True)
        assert boxes.tolist() == [[0.0] * 4] and not masks.any()


@pytest.mark.parametrize(("masks", "share"), [("polygon", 0.5), ("ellipse", np.pi / 4)])
def test_a_detector_is_taught_the_annotated_masks(
    masks: str, share: float, write_recipe: WriteRecipe, boxes: Path
) -> None:
    for table in boxes.glob("annotations_*.json"):
        content = json.loads(table.read_text())
        for annotation in content["annotations"]:
            x, y, width, height = annotation["bbox"]
            annotation["segmentation"] = [[x, y, x + width, y, x, y + height]]
        table.write_text(json.dumps(content))
    task = load_task(load_recipe(write_recipe("detector", data={"masks": masks})), boxes)

    ((_, targets), *_) = task.batches(torch.Generator().manual_seed(0), torch.device("cpu"))

    for target in targets:
        sides = target["boxes"][0, 2:] - target["boxes"][0, :2]
        assert float(target["masks"][0].sum() / sides.prod()) == pytest.approx(share, abs=0.05)
