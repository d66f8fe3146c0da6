"""The brush behind the phantom: a grid in mm, smooth noise, distances, and paint with soft edges.

Coordinates are DICOM's patient coordinates (LPS, PS3.3 C.7.6.2.1.1) in mm, arrays are float32 of shape
(Slices, Rows, Columns). Every shape is a signed distance: negative inside, positive outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Field: TypeAlias = npt.NDArray[np.floating[Any]]
Point: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the voxels lie.

    Attributes:
        x: Towards the left hand, mm.
        y: Towards the back, mm.
        z: Towards the vertex, mm.
    """

    x: Field
    y: Field
    z: Field

    def bent(self, dx: Field, dy: Field, dz: Field) -> Grid:
        """The grid with every voxel moved, so that what is drawn on it bends the other way."""
        return Grid(self.x + dx, self.y + dy, self.z + dz)

    def mirrored(self) -> Grid:
        """The grid of the other side of the head."""
        return Grid(-self.x, self.y, self.z)


@dataclass(frozen=True, slots=True)
class Lattice:
    """The sampling of an axial volume.

    Attributes:
        shape: Slices, Rows, Columns.
        spacing: Slice, row and column spacing, mm.
        origin: Centre of the first voxel, x, y, z in mm.
    """

    shape: tuple[int, int, int]
    spacing: Point
    origin: Point

    def grid(self) -> Grid:
        """Coordinates of every voxel centre."""
        steps = [np.arange(count, dtype=np.float32) for count in self.shape]
        z, y, x = np.meshgrid(
            *(self.origin[2 - axis] + step * self.spacing[axis] for axis, step in enumerate(steps)), indexing="ij"
        )
        return Grid(x.astype(np.float32), y.astype(np.float32), z.astype(np.float32))

    def noise(self, random: np.random.Generator, scale: float) -> Field:
        """Smooth noise of mean 0 and variance 1 whose grain is about ``scale`` mm in every direction."""
        spectrum = np.fft.rfftn(random.standard_normal(self.shape, dtype=np.float32))
        cycles = [np.fft.fftfreq(n, d) for n, d in zip(self.shape, self.spacing, strict=True)]
        cycles[2] = np.fft.rfftfreq(self.shape[2], self.spacing[2])
        for axis, frequency in enumerate(cycles):
            blur = np.exp(-2 * (np.pi * scale * frequency) ** 2)
            spectrum *= blur.reshape([-1 if axis == other else 1 for other in range(3)])
        field: Field = np.fft.irfftn(spectrum, self.shape, axes=(0, 1, 2)).astype(np.float32)
        standard: Field = (field - field.mean()) / field.std()
        return standard

    def crests(self, field: Field) -> Field:
        """In-plane distance in mm of each voxel from the nearest zero line of ``field``."""
        rows, columns = np.gradient(field, self.spacing[1], self.spacing[2], axis=(1, 2))
        slope = np.maximum(np.hypot(rows, columns), 1e-3)
        distance: Field = (np.abs(field) / slope).astype(np.float32)
        return distance


def ellipsoid(grid: Grid, centre: Point, half_axes: Point, power: float = 2.0) -> Field:
    """About the signed distance in mm from an ellipsoid, exact on its surface; a power above 2 squares it off."""
    offsets = [np.abs(axis - c) for axis, c in zip((grid.x, grid.y, grid.z), centre, strict=True)]
    radius = sum((o / a) ** power for o, a in zip(offsets, half_axes, strict=True)) ** (1 / power)
    steps = sum((o ** (power - 1) / a**power) ** 2 for o, a in zip(offsets, half_axes, strict=True))
    slope = np.sqrt(steps) / np.maximum(radius, 1e-3) ** (power - 1)
    distance: Field = ((radius - 1) / np.maximum(slope, 1e-3)).astype(np.float32)
    return distance


def tube(grid: Grid, path: tuple[Point, ...], radii: tuple[float, ...]) -> Field:
    """Signed distance in mm from a tube along ``path`` with one radius per point."""
    nearest = np.full(grid.x.shape, np.inf, np.float32)
    for (start, end), (first, last) in zip(pairwise(path), pairwise(radii), strict=True):
        axis = np.subtract(end, start)
        offsets = (grid.x - start[0], grid.y - start[1], grid.z - start[2])
        along = np.clip(sum(o * a for o, a in zip(offsets, axis, strict=True)) / (axis @ axis), 0, 1)
        gap = np.sqrt(sum((o - along * a) ** 2 for o, a in zip(offsets, axis, strict=True)))
        nearest = np.minimum(nearest, gap - (first + along * (last - first)))
    return nearest.astype(np.float32)


def inside(distance: Field, edge: float = 1.2) -> Field:
    """Share of each voxel, 0 to 1, that lies inside a shape whose edge is ``edge`` mm soft."""
    cover: Field = np.clip(0.5 - distance / edge, 0, 1).astype(np.float32)
    return cover


def paint(image: Field, cover: Field, value: Field | float) -> None:
    """Lay ``value`` over the image in place, as thick as ``cover`` says."""
    image += cover * (value - image)
