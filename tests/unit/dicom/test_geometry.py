from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnode.dicom.geometry import (
    Plane,
    duplicates,
    lps_to_ras,
    positions_along,
    same_orientation,
    slice_normal,
    stack_planes,
)
from dicomnode.errors import GeometryError
from tests.factories import AXIAL, CORONAL, SAGITTAL

angles = st.floats(-np.pi, np.pi)


def _rotation(a: float, b: float, c: float) -> np.ndarray:
    around_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    around_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    around_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return around_x @ around_y @ around_z


def _plane(position: np.ndarray, orientation: tuple[float, ...] = AXIAL, **others: object) -> Plane:
    x, y, z = (float(number) for number in position)
    return Plane((x, y, z), orientation, **({"pixel_spacing": (0.5, 0.75)} | others))  # type: ignore[arg-type]


def _axial(*heights: float, **others: object) -> list[Plane]:
    return [_plane(np.array([-10.0, -20.0, height]), **others) for height in heights]


@pytest.mark.parametrize(("orientation", "normal"), [(AXIAL, (0, 0, 1)), (SAGITTAL, (-1, 0, 0)), (CORONAL, (0, 1, 0))])
def test_normals(orientation: tuple[float, ...], normal: tuple[float, ...]) -> None:
    assert np.array_equal(slice_normal(orientation), normal)
    assert positions_along(slice_normal(orientation), [(1, 2, 3)]) == np.dot(normal, (1, 2, 3))


@pytest.mark.parametrize(
    "orientation",
    [(1, 0, 0, 1, 0, 0), (0, 0, 0, 0, 0, 0), (2, 0, 0, 0, 1, 0), (1, 0, 0, 0.1, 0.995, 0), (np.nan, 0, 0, 0, 1, 0)],
)
def test_directions_that_are_none_are_refused(orientation: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError, match="two unit vectors"):
        slice_normal(orientation)


@settings(deadline=None)
@given(angles, angles, angles, st.permutations(range(6)), st.floats(0.5, 10), st.floats(-500, 500))
def test_any_oblique_stack_in_any_order(
    a: float, b: float, c: float, order: list[int], step: float, offset: float
) -> None:
    rotation = _rotation(a, b, c)
    orientation = tuple(rotation[:, 0]) + tuple(rotation[:, 1])
    normal = rotation[:, 2]
    planes = [_plane(np.array([offset, 1.0, -offset]) + normal * step * k, orientation) for k in order]

    stack = stack_planes(planes)

    assert [order[k] for k in stack.order] == list(range(6))
    assert np.allclose(stack.spacing, (0.5, 0.75, step))
    # Row 3, column 4 of slice 2, by the equation of PS3.3 C.7.6.2.1.1.
    expected = (
        np.array([offset, 1.0, -offset]) + normal * step * 2 + rotation[:, 1] * 0.5 * 3 + rotation[:, 0] * 0.75 * 4
    )
    assert np.allclose(stack.affine @ (3, 4, 2, 1), (*expected, 1))
    assert np.allclose(lps_to_ras(stack.affine) @ (3, 4, 2, 1), (-expected[0], -expected[1], expected[2], 1))


def test_a_gap_is_refused_with_its_place() -> None:
    with pytest.raises(GeometryError, match=r"5 slices .* 6\.00 mm behind position 4\.00 mm, 2\.00 mm .* 2 slices are"):
        stack_planes(_axial(0, 2, 4, 10, 12))


@pytest.mark.parametrize("heights", [(0, 2, 4.1), (0, 2, 3.9, 6, 8), (0, 1, 3)])
def test_uneven_steps_are_refused(heights: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError, match="not evenly spaced"):
        stack_planes(_axial(*heights))


@pytest.mark.parametrize("heights", [(0, 3.33, 6.67, 10), (0, 0.62, 1.25, 1.88, 2.5), (0, 5.02, 10, 15)])
def test_rounded_positions_are_even(heights: tuple[float, ...]) -> None:
    assert stack_planes(_axial(*heights)).spacing[2] == pytest.approx(heights[-1] / (len(heights) - 1))


def test_two_slices_at_one_position_are_refused() -> None:
    with pytest.raises(GeometryError, match=r"two of 4 slices lie at one position, 2\.00 mm"):
        stack_planes(_axial(0, 2, 2, 4))


def test_duplicates_are_told() -> None:
    assert duplicates(_axial(0, 2, 2, 4, 4, 4, 6)) == (2.0, 4.0)
    assert duplicates(_axial(0, 2, 4)) == ()


def test_a_tilted_gantry_keeps_its_shear() -> None:
    planes = [_plane(np.array([0.0, 0.5 * k, 4.0 * k])) for k in range(4)]
    stack = stack_planes(planes)
    assert stack.spacing[2] == pytest.approx(4)
    assert np.allclose(stack.affine @ (0, 0, 3, 1), (0, 1.5, 12, 1))


def test_slices_beside_the_line_are_refused() -> None:
    planes = [_plane(np.array([0.0, 1.0 * (k == 2), 4.0 * k])) for k in range(4)]
    with pytest.raises(GeometryError, match="straight line"):
        stack_planes(planes)


def test_a_single_slice_is_as_thick_as_it_says() -> None:
    assert stack_planes(_axial(7, thickness=3.0)).spacing == (0.5, 0.75, 3.0)
    with pytest.raises(GeometryError, match="Slice Thickness"):
        stack_planes(_axial(7))


def test_orientations_are_compared_with_tolerance() -> None:
    assert same_orientation(AXIAL, (1, 0.0005, 0, -0.0005, 1, 0))
    assert not same_orientation(AXIAL, (1, 0.002, 0, -0.002, 1, 0))
