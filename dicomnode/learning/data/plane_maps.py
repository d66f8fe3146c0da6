"""Affine maps between a picture, its processed image and an augmented copy of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlaneMap:
    """An affine map of points (column, row) in pixels, counted from the top-left corner.

    Attributes:
        matrix: (2, 2).
        shift: (2,).
    """

    matrix: Floats
    shift: Floats

    def __call__(self, points: Floats) -> Floats:
        """Map (N, 2) points."""
        mapped: Floats = points @ self.matrix.T + self.shift
        return mapped

    def after(self, first: PlaneMap) -> PlaneMap:
        """The map that does ``first`` and then this one."""
        return PlaneMap(self.matrix @ first.matrix, self.matrix @ first.shift + self.shift)

    def inverse(self) -> PlaneMap:
        """The way back."""
        matrix: Floats = np.asarray(np.linalg.inv(self.matrix), np.float64)
        return PlaneMap(matrix, -matrix @ self.shift)


def processed_to_source(affine: torch.Tensor) -> PlaneMap:
    """From the processed image to the picture.

    Args:
        affine: (4, 4) from processed pixel indices (row, column) to those of the picture; an index is a pixel's centre.
    """
    values = affine.to(torch.float64).numpy()
    matrix: Floats = np.asarray(values[:2, :2][::-1, ::-1], np.float64)
    shift: Floats = np.asarray(values[:2, 3][::-1], np.float64)
    return PlaneMap(matrix, shift + 0.5 - matrix @ np.array([0.5, 0.5]))


def augmented_to_processed(theta: torch.Tensor, height: int, width: int) -> PlaneMap:
    """From an augmented image to the image that it was made of.

    Args:
        theta: (2, 3) from output to input in ``affine_grid``'s coordinates (x, y in -1..1, corners at pixel edges).
        height: Of both in pixels.
        width: Of both in pixels.
    """
    half = np.array([width, height]) / 2
    values = theta.to(torch.float64).numpy()
    matrix: Floats = np.asarray(values[:, :2] * half[:, None] / half[None, :], np.float64)
    return PlaneMap(matrix, half * (values[:, 2] + 1) - matrix @ half)
