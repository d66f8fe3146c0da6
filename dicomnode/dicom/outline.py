"""Outlines of masks, and the sizes that a radiologist would measure on them."""

from __future__ import annotations

import contourpy
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_FEWEST_POINTS = 6  # a closed contour of more than five points stays read-only in viewers


def outline(mask: FloatArray) -> FloatArray | None:
    """The outer outline, at one half, of the largest part of a mask.

    Args:
        mask: (Rows, Columns) 0..1; values between the extremes place the outline between pixel centres.

    Returns:
        (N, 2) column, row from the corner of ``mask``, N >= 6, the first point not repeated; None if it is nowhere
        above one half.
    """
    closed = outlines(mask)
    return _with_enough_points(max(closed, key=_area)) if closed else None


def outlines(mask: FloatArray) -> list[FloatArray]:
    """The outlines, at one half, of all parts of a mask and of the holes in them.

    Args:
        mask: (Rows, Columns) 0..1.

    Returns:
        (N, 2) column, row from the corner of ``mask`` each, the first point not repeated.
    """
    lines = contourpy.contour_generator(z=np.pad(mask, 1)).lines(0.5)
    # Index 1 of the padded mask is the centre of its first pixel, at 0.5.
    limits = np.array([mask.shape[1], mask.shape[0]], dtype=np.float64)
    return [np.clip(np.asarray(line, dtype=np.float64)[:-1] - 0.5, 0, limits) for line in lines]


def box_corners(box: FloatArray) -> FloatArray:
    """The four corners (4, 2) of an xyxy box, clockwise from the top left."""
    x1, y1, x2, y2 = box
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def axes(points: FloatArray, pixel_spacing: tuple[float, float]) -> tuple[float, float]:
    """Long axis and the width across it, in mm.

    Args:
        points: (N, 2) column, row outline.
        pixel_spacing: Distance between rows and between columns in mm (0028,0030).
    """
    # Points beyond a few hundred add nothing to a diameter, and the comparison is of all pairs.
    scaled = points[:: 1 + len(points) // 720] * np.array([pixel_spacing[1], pixel_spacing[0]])
    differences = scaled[:, None] - scaled[None]
    lengths = np.linalg.norm(differences, axis=2)
    first, second = np.unravel_index(int(lengths.argmax()), lengths.shape)
    long_axis = float(lengths[first, second])
    if long_axis == 0:
        return 0.0, 0.0
    direction = differences[first, second] / long_axis
    across = scaled @ np.array([-direction[1], direction[0]])
    return long_axis, float(np.ptp(across))


def _area(points: FloatArray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _with_enough_points(points: FloatArray) -> FloatArray:
    while len(points) < _FEWEST_POINTS:
        middles = (points + np.roll(points, -1, axis=0)) / 2
        points = np.stack([points, middles], axis=1).reshape(-1, 2)
    return points
