"""Outlines and axes of masks whose size is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.dicom.outline import axes, box_corners
from dicomnode.dicom.outline import outline as float_outline


def disc(radius: float, centre: tuple[float, float] = (40.0, 50.0), shape: tuple[int, int] = (100, 90)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def outline(mask: np.ndarray) -> np.ndarray | None:
    return float_outline(mask.astype(np.float64))


def area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def test_the_outline_of_a_disc_has_its_place_and_area() -> None:
    points = outline(disc(20.0))
    assert points is not None
    assert np.allclose((points.min(axis=0) + points.max(axis=0)) / 2, (40.0, 50.0), atol=0.5)
    assert area(points) == pytest.approx(np.pi * 20**2, rel=0.03)
    assert not np.array_equal(points[0], points[-1])


def test_a_single_pixel_has_an_outline_around_its_centre() -> None:
    mask = np.zeros((5, 7), bool)
    mask[2, 3] = True
    points = outline(mask)
    assert points is not None
    assert len(points) >= 6
    assert np.allclose(points.mean(axis=0), (3.5, 2.5))


def test_an_empty_mask_has_no_outline() -> None:
    assert outline(np.zeros((4, 4), bool)) is None


def test_the_largest_part_is_outlined_and_reaches_the_border() -> None:
    mask = np.zeros((30, 30), bool)
    mask[0:12, 18:30] = True
    mask[25:27, 2:4] = True
    points = outline(mask)
    assert points is not None
    assert points.min(axis=0).tolist() == [18, 0]
    assert points.max(axis=0).tolist() == [30, 12]


@given(left=st.integers(0, 20), top=st.integers(0, 20), width=st.integers(1, 9), height=st.integers(1, 9))
def test_the_outline_of_a_rectangle_keeps_its_edges(left: int, top: int, width: int, height: int) -> None:
    mask = np.zeros((30, 30), bool)
    mask[top : top + height, left : left + width] = True
    points = outline(mask)
    assert points is not None
    assert points.min(axis=0).tolist() == [left, top]
    assert points.max(axis=0).tolist() == [left + width, top + height]


def test_axes_follow_the_spacing_of_rows_and_columns() -> None:
    points = box_corners(np.array([10.0, 10.0, 10.0 + 30, 10.0 + 1e-9]))
    assert axes(points, (9.0, 0.5)) == pytest.approx((15.0, 0.0), abs=1e-6)
    ellipse = np.stack(
        [30 * np.cos(np.linspace(0, 2 * np.pi, 400)), 10 * np.sin(np.linspace(0, 2 * np.pi, 400))], axis=1
    )
    assert axes(ellipse, (0.7, 0.7)) == pytest.approx((42.0, 14.0), rel=0.01)


def test_a_point_has_no_length() -> None:
    assert axes(np.ones((4, 2)), (1.0, 1.0)) == (0.0, 0.0)


def test_values_between_the_extremes_place_the_outline_between_centres() -> None:
    mask = np.zeros((12, 12))
    mask[4:8, 4:8] = 1.0
    mask[4:8, 8] = 0.4
    points = float_outline(mask)
    assert points is not None
    # From 1 at 7.5 to 0.4 at 8.5, one half is reached 5/6 of the way.
    assert points[:, 0].max() == pytest.approx(7.5 + 5 / 6)
