"""What is found on the processed image lands on the right source pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from monai.transforms import Compose, Flip, Resize, ResizeWithPadOrCrop, Rotate90, Spacing, SpatialPad

from dicomnode.inference.pixelmap import PixelMap, pixel_map

SIZES = st.integers(20, 300)
TARGETS = st.sampled_from([64, 96, 224, 256])


def processed(pixels: np.ndarray, *transforms: object) -> MetaTensor:
    image = MetaTensor(torch.from_numpy(pixels)[None], affine=torch.eye(4, dtype=torch.float64))
    return Compose(list(transforms))(image)


def letterbox(target: int, smooth: bool = False) -> tuple[object, object]:
    if smooth:
        resize = Resize(target, size_mode="longest", mode="bilinear", anti_aliasing=True)
        return resize, SpatialPad((target, target))
    return Resize(target, size_mode="longest"), ResizeWithPadOrCrop((target, target))


def crossings(profile: np.ndarray) -> tuple[float, float]:
    """Edges of an object, to a fraction of a pixel, where its profile crosses one half; counted from pixel corners."""
    padded = np.concatenate([[0.0], profile, [0.0]])
    above = np.nonzero(padded > 0.5)[0]
    first, last = above[0], above[-1]
    start = first - (padded[first] - 0.5) / (padded[first] - padded[first - 1])
    end = last + (padded[last] - 0.5) / (padded[last] - padded[last + 1])
    return start - 0.5, end - 0.5  # index 1 of the padded profile is the centre of pixel 0, at 0.5


def measured_box(picture: np.ndarray) -> np.ndarray:
    row, column = (round(index.mean()) for index in np.nonzero(picture > 0.5))
    (x1, x2), (y1, y2) = crossings(picture[row]), crossings(picture[:, column])
    return np.array([x1, y1, x2, y2])


@settings(max_examples=80, deadline=None)
@given(rows=SIZES, columns=SIZES, target=TARGETS, smooth=st.booleans(), data=st.data())
def test_a_painted_rectangle_comes_back_within_half_a_pixel(
    rows: int, columns: int, target: int, smooth: bool, data: st.DataObject
) -> None:
    side = max(8, 3 * max(rows, columns) // target)
    top, left = data.draw(st.integers(0, rows - side)), data.draw(st.integers(0, columns - side))
    bottom, right = data.draw(st.integers(top + side, rows)), data.draw(st.integers(left + side, columns))
    pixels = np.zeros((rows, columns), np.float32)
    pixels[top:bottom, left:right] = 1
    image = processed(pixels, *letterbox(target, smooth))
    back = pixel_map(image, (rows, columns))
    found = back.box_to_source(measured_box(image[0].numpy()))
    coarser = max(1.0, max(rows, columns) / target)  # a processed pixel in source pixels, where that is larger
    assert np.abs(found - [left, top, right, bottom]).max() <= 0.5 * coarser


@settings(max_examples=40, deadline=None)
@given(rows=SIZES, columns=SIZES, target=TARGETS, seed=st.integers(0, 1000))
def test_points_go_there_and_back_exactly(rows: int, columns: int, target: int, seed: int) -> None:
    back = pixel_map(processed(np.zeros((rows, columns), np.float32), *letterbox(target)), (rows, columns))
    points = np.random.default_rng(seed).uniform(0, [columns, rows], (20, 2))
    assert np.allclose(back.to_source(back.to_processed(points)), points, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(60, 300), columns=st.integers(60, 300), target=TARGETS)
def test_a_mask_comes_back_on_its_own_pixels(rows: int, columns: int, target: int) -> None:
    y, x = np.mgrid[:rows, :columns] + 0.5
    mask = ((x - columns * 0.4) / (columns * 0.25)) ** 2 + ((y - rows * 0.55) / (rows * 0.3)) ** 2 <= 1
    image = processed(mask.astype(np.float32), *letterbox(target))
    back = pixel_map(image, (rows, columns))
    region = back.region_to_source(image[0].as_tensor(), np.array([0.0, 0.0, columns, rows]))
    assert region is not None
    found = region.on((rows, columns))
    assert found.shape == mask.shape
    shared, together = (found & mask).sum(), (found | mask).sum()
    assert shared / together > 0.93
    assert np.abs(np.argwhere(found).mean(axis=0) - np.argwhere(mask).mean(axis=0)).max() < 0.5


@pytest.mark.parametrize(
    "transforms",
    [(Flip(spatial_axis=0),), (Flip(spatial_axis=1),), (Rotate90(k=1),), (Spacing(pixdim=(2.0, 0.5)),)],
    ids=["upside down", "mirrored", "turned", "respaced"],
)
def test_other_transforms_are_followed(transforms: tuple[object, ...]) -> None:
    pixels = np.zeros((40, 60), np.float32)
    pixels[8:20, 30:50] = 1
    image = processed(pixels, *transforms)
    found = pixel_map(image, (40, 60)).box_to_source(measured_box(image[0].numpy()))
    assert np.abs(found - [30, 8, 50, 20]).max() <= 0.5


def test_a_box_is_cut_to_the_image_and_a_mask_outside_it_stays_empty() -> None:
    same = PixelMap(np.array([[1.0, 0, 0], [0, 1.0, 0]]), (10, 20))
    assert same.box_to_source(np.array([-5.0, 3, 25, 4])).tolist() == [0, 3, 20, 4]
    region = same.region_to_source(torch.ones(10, 20), np.array([4.0, 3.0, 8.0, 5.0]))
    assert region is not None
    assert (region.left, region.top, region.pixels.shape) == (3, 2, (4, 6))
    assert region.on((10, 20)).sum() == (4 + 2) * (2 + 2)
    assert same.region_to_source(torch.zeros(10, 20), np.array([4.0, 3.0, 8.0, 5.0])) is None
