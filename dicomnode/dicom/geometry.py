"""Where image planes lie: normals, order, spacing, affines (PS3.3 C.7.6.2.1.1).

Positions and directions are in the patient coordinate system of DICOM, LPS, in mm. Array axes are
(row, column, slice), the order in which Pixel Data counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.errors import GeometryError

Vector = npt.NDArray[np.float64]

# Direction cosines are written with 6 or more digits; 1e-3 (0.06 degrees) moves the edge of a 500 mm wide
# slice by 0.25 mm, less than a pixel, and tells real differences of orientation apart.
ORIENTATION_TOLERANCE = 1e-3
# Spacing between slices may vary by 1 % (highdicom's tolerance too), or by 0.02 mm, the rounding of two
# positions written with two digits.
SPACING_TOLERANCE_RELATIVE = 0.01
SPACING_TOLERANCE_MM = 0.02
# Two slices nearer than this lie at one position: no scanner steps by less than 0.01 mm.
SAME_POSITION_MM = 0.005


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane of one image.

    Attributes:
        position: Image Position (Patient): centre of the first pixel, LPS mm.
        orientation: Image Orientation (Patient): direction of increasing column, then of increasing row.
        pixel_spacing: Distance between rows, distance between columns, mm.
        thickness: Slice Thickness, mm; None if absent.
    """

    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float, float, float]
    pixel_spacing: tuple[float, float]
    thickness: float | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """Planes in order, evenly spaced.

    Attributes:
        order: Indices into the planes given, ascending along the slice normal.
        step: From one slice to the next, LPS mm; not along the normal if the gantry was tilted.
        spacing: Distance between rows, between columns, between slices (along the normal), mm.
        affine: (4, 4): (row, column, slice, 1) to LPS mm.
    """

    order: tuple[int, ...]
    step: Vector
    spacing: tuple[float, float, float]
    affine: npt.NDArray[np.float64]


def slice_normal(orientation: Sequence[float]) -> Vector:
    """Unit normal of a plane: row direction x column direction.

    Raises:
        GeometryError: The two directions are no unit vectors or not at right angles.
    """
    row, column = np.asarray(orientation[:3], float), np.asarray(orientation[3:], float)
    lengths = np.array([row @ row, column @ column])
    # Written so that a NaN fails it.
    if not (np.all(np.abs(lengths - 1) < 2 * ORIENTATION_TOLERANCE) and abs(row @ column) < ORIENTATION_TOLERANCE):
        raise GeometryError("Image Orientation (Patient) is not two unit vectors at right angles")
    normal = np.cross(row, column)
    return np.asarray(normal / np.linalg.norm(normal), np.float64)


def positions_along(normal: Vector, positions: Sequence[Sequence[float]]) -> Vector:
    """How far along ``normal`` each position lies, mm."""
    return np.asarray(np.array(positions, float) @ normal, np.float64)


def same_orientation(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether no direction cosine differs by more than ``ORIENTATION_TOLERANCE``."""
    return bool(np.all(np.abs(np.subtract(one, other)) <= ORIENTATION_TOLERANCE))


def stack_planes(planes: Sequence[Plane]) -> Stack:
    """Order parallel planes along their normal and check that they are evenly spaced.

    Args:
        planes: At least one, of one orientation and pixel spacing; a single one needs a thickness, which
            then stands for the spacing between slices.

    Raises:
        GeometryError: Two planes at one position, a gap, an uneven step, or a single plane without thickness.
    """
    normal = slice_normal(planes[0].orientation)
    along = positions_along(normal, [plane.position for plane in planes])
    order = np.argsort(along, kind="stable")
    if len(planes) == 1:
        step = normal * _thickness(planes[0])
    else:
        _check_gaps(along[order])
        step = _even_step(np.array([planes[k].position for k in order]))
    row_spacing, column_spacing = planes[0].pixel_spacing
    spacing = (row_spacing, column_spacing, float(normal @ step))
    return Stack(tuple(int(k) for k in order), step, spacing, lps_affine(planes[order[0]], step))


def lps_affine(first: Plane, step: Vector) -> npt.NDArray[np.float64]:
    """(4, 4) matrix from (row, column, slice, 1) to LPS mm (PS3.3 equation C.7.6.2.1-1, axes swapped)."""
    affine = np.eye(4)
    affine[:3, 0] = np.asarray(first.orientation[3:]) * first.pixel_spacing[0]
    affine[:3, 1] = np.asarray(first.orientation[:3]) * first.pixel_spacing[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    return affine


def lps_to_ras(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same mapping with its output in RAS mm, the frame of NIfTI and MONAI."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def duplicates(planes: Sequence[Plane]) -> tuple[float, ...]:
    """Positions along the normal at which more than one of these parallel planes lies, mm."""
    normal = slice_normal(planes[0].orientation)
    along = np.sort(positions_along(normal, [plane.position for plane in planes]))
    repeated = along[1:][np.diff(along) < SAME_POSITION_MM]
    return tuple(dict.fromkeys(round(float(position), 2) for position in repeated))


def _thickness(plane: Plane) -> float:
    if plane.thickness is None or not plane.thickness > 0:
        raise GeometryError("a single slice without Slice Thickness has no extent across the plane")
    return plane.thickness


def _check_gaps(along: Vector) -> None:
    gaps = np.diff(along)
    if np.any(gaps < SAME_POSITION_MM):
        where = along[int(np.argmin(gaps))]
        raise GeometryError(f"two of {len(along)} slices lie at one position, {where:.2f} mm along the slice normal")
    usual = float(np.median(gaps))
    worst = int(np.argmax(np.abs(gaps - usual)))
    if abs(gaps[worst] - usual) > max(SPACING_TOLERANCE_RELATIVE * usual, SPACING_TOLERANCE_MM):
        missing = round(gaps[worst] / usual) - 1
        count = f": about {missing} slices are missing" if missing > 0 else ""
        raise GeometryError(
            f"{len(along)} slices are not evenly spaced: {gaps[worst]:.2f} mm behind position {along[worst]:.2f} mm,"
            f" {usual:.2f} mm elsewhere{count}"
        )


def _even_step(positions: Vector) -> Vector:
    """Step between slices that lie on one straight line."""
    count = len(positions)
    step = (positions[-1] - positions[0]) / (count - 1)
    off = np.linalg.norm(positions - (positions[0] + np.arange(count)[:, None] * step), axis=1)
    # Rounding does not add up from slice to slice, so the line is held to the tolerance of one step.
    if off.max() > max(SPACING_TOLERANCE_RELATIVE * float(np.linalg.norm(step)), SPACING_TOLERANCE_MM):
        raise GeometryError(f"{count} slices do not lie on one straight line: one is {off.max():.2f} mm beside it")
    return np.asarray(step, np.float64)
