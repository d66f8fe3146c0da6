"""Patches lie exactly where the saliency map points, in whole pixels of the image."""

import pytest
import torch

from dicomnode.networks.patches import cut_patches, retrieve_patches

SIZE, CELLS = (2944, 1920), (46, 30)  # published: a cell of the map is 64 pixels, a patch four cells


def planted(*corners: tuple[int, int], classes: int = 2, height: float = 1.0) -> torch.Tensor:
    """Maps of nothing but squares of four cells whose first cells are the corners, one class after the other."""
    maps = torch.full((1, classes, *CELLS), 0.1)
    for number, (row, column) in enumerate(corners):
        maps[0, number % classes, row : row + 4, column : column + 4] = height - 0.1 * number
    return maps


@pytest.mark.parametrize("corner", [(0, 0), (42, 26), (17, 9), (41, 0)])
def test_the_first_patch_covers_a_planted_square_exactly(corner: tuple[int, int]) -> None:
    boxes = retrieve_patches(planted(corner), SIZE, count=6, side=256)

    top, left = corner[0] * 64, corner[1] * 64
    assert boxes.shape == (1, 6, 4)
    assert boxes[0, 0].tolist() == [left, top, left + 256, top + 256]


def test_both_classes_count_and_the_brighter_comes_first() -> None:
    maps = planted((4, 5), (30, 20))
    maps[0, 0, 4:8, 5:9] = 1.0
    maps[0, 1, 30:34, 20:23] = 0.8  # the highest of its own map, but a column less wide

    boxes = retrieve_patches(maps, SIZE, count=2, side=256)

    assert boxes[0, :, 1].tolist() == [4 * 64, 30 * 64]
    assert boxes[0, 0, 0] == 5 * 64


def test_what_a_patch_covers_counts_no_more() -> None:
    maps = torch.zeros(1, 1, *CELLS)
    maps[0, 0, 10:14, 10:18] = torch.linspace(1, 0.5, 8)  # one bright bar, two patches wide

    first, second = retrieve_patches(maps, SIZE, count=2, side=256)[0].tolist()

    assert first == [640, 640, 896, 896]
    assert second == [896, 640, 1152, 896]


def test_each_image_of_a_batch_has_its_own_patches() -> None:
    together = retrieve_patches(torch.cat([planted((3, 4)), planted((20, 21))]), SIZE, count=3, side=256)

    assert torch.equal(together[0], retrieve_patches(planted((3, 4)), SIZE, count=3, side=256)[0])
    assert torch.equal(together[1], retrieve_patches(planted((20, 21)), SIZE, count=3, side=256)[0])


def test_a_map_without_any_difference_gives_patches_inside_the_image() -> None:
    boxes = retrieve_patches(torch.full((1, 2, *CELLS), 0.5), SIZE, count=6, side=256)

    assert boxes.isfinite().all() and boxes[0, 0].tolist() == [0, 0, 256, 256]


@pytest.mark.parametrize(("size", "cells"), [((1000, 700), (16, 11)), ((257, 300), (4, 5)), ((997, 1201), (15, 19))])
def test_patches_of_any_image_are_whole_and_inside(size: tuple[int, int], cells: tuple[int, int]) -> None:
    maps = torch.rand(3, 2, *cells, generator=torch.Generator().manual_seed(0))

    boxes = retrieve_patches(maps, size, count=6, side=256)

    assert (boxes[..., :2] >= 0).all()
    assert (boxes[..., 2] <= size[1]).all() and (boxes[..., 3] <= size[0]).all()
    assert ((boxes[..., 2:] - boxes[..., :2]) == 256).all()


def test_an_image_smaller_than_a_patch_is_one_box_and_is_filled_up_with_its_least_value() -> None:
    image = torch.rand(1, 1, 100, 300) + 2

    boxes = retrieve_patches(torch.rand(1, 1, 2, 5), (100, 300), count=2, side=256)
    patches = cut_patches(image, boxes, 256)

    assert boxes[0, :, 1].tolist() == [0, 0] and boxes[0, :, 3].tolist() == [100, 100]
    left = int(boxes[0, 0, 0])
    assert torch.equal(patches[0, 0, 0, :100], image[0, 0, :, left : left + 256])
    assert (patches[0, 0, 0, 100:] == image.min()).all()


def test_patches_hold_the_pixels_of_their_boxes() -> None:
    images = torch.arange(2 * 40 * 50, dtype=torch.float32).reshape(2, 1, 40, 50)
    boxes = torch.tensor([[[3, 7, 19, 23]], [[34, 24, 50, 40]]])

    patches = cut_patches(images, boxes, 16)

    assert torch.equal(patches[0, 0], images[0, :, 7:23, 3:19])
    assert torch.equal(patches[1, 0], images[1, :, 24:40, 34:50])
