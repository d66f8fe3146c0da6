"""Area averaging of an image that comes frame by frame, strip by strip of its target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# What the parts of a sparse image show that were not stored: glass.
GLASS = 255.0
# Columns that are averaged at once: the table of shares grows with the square of an image that is not shrunk.
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Grid:
    """How a source image is laid on a coarser one.

    Attributes:
        rows: Of the source.
        columns: Of the source.
        factor: Source rows in a target row and source columns in a target column.
        strip_rows: Target rows in a strip.
    """

    rows: int
    columns: int
    factor: tuple[float, float]
    strip_rows: int

    @property
    def target_rows(self) -> int:
        """Target rows that the source reaches into."""
        return max(1, int(np.ceil(self.rows / self.factor[0] - 1e-6)))

    @property
    def target_columns(self) -> int:
        """Target columns that the source reaches into."""
        return max(1, int(np.ceil(self.columns / self.factor[1] - 1e-6)))

    def strips_under(self, top: int, rows: int) -> range:
        """The strips that source rows reach into."""
        height = self.strip_rows * self.factor[0]
        last = (self.target_rows - 1) // self.strip_rows
        return range(int(top / height), min(int(np.ceil(min(top + rows, self.rows) / height - 1e-9)), last + 1))


class _Strip:
    """Sums and covered areas of some target rows."""

    def __init__(self, first: int, rows: int, columns: int) -> None:
        self.first = first
        self._sums = np.zeros((3, rows, columns), np.float32)
        self._areas = np.zeros((rows, columns), np.float32)

    def add(self, grid: Grid, pixels: npt.NDArray[np.float32], top: int, left: int) -> None:
        rows, row_shares = _shares(top, pixels.shape[1], grid.factor[0], self.first, self._sums.shape[1])
        for start in range(0, pixels.shape[2], _BLOCK):
            block = pixels[:, :, start : start + _BLOCK]
            columns, shares = _shares(left + start, block.shape[2], grid.factor[1], 0, self._sums.shape[2])
            self._sums[:, rows, columns] += row_shares @ block @ shares.T
            self._areas[rows, columns] += np.outer(row_shares.sum(axis=1), shares.sum(axis=1))

    def means(self) -> npt.NDArray[np.float32]:
        """(3, rows, columns); glass where nothing was added."""
        areas = np.where(self._areas > 0, self._areas, 1)
        means: npt.NDArray[np.float32] = np.where(self._areas > 0, self._sums / areas, GLASS)
        return means.astype(np.float32, copy=False)


def _shares(start: int, length: int, factor: float, first: int, count: int) -> tuple[slice, npt.NDArray[np.float32]]:
    """How much of each source pixel ``start`` to ``start + length`` of an axis lies in each target.

    Returns:
        Which of the targets ``first`` to ``first + count`` are reached, counted from ``first``, and the shares
        (targets, length), 0..1.
    """
    low = max(first, int(start / factor))
    high = min(first + count, int(np.ceil((start + length) / factor - 1e-9)))
    edges = np.arange(low, high)[:, None] * factor
    source = np.arange(start, start + length)
    shares = np.minimum(edges + factor, source + 1) - np.maximum(edges, source)
    return slice(low - first, max(low, high) - first), np.clip(shares, 0, 1).astype(np.float32)


class Averaging:
    """Collects frames and gives each strip as soon as every frame that reaches into it was added.

    Frames may come in any order; of an image in reading order no more than a few strips are open at a time.

    Args:
        grid: How the source is laid on the target.
        places: Top, left of every frame that will come, and ``shape`` their rows and columns.
    """

    def __init__(self, grid: Grid, places: tuple[tuple[int, int], ...], shape: tuple[int, int]) -> None:
        self._grid = grid
        self._rows = shape[0]
        self._open: dict[int, _Strip] = {}
        self._missing: dict[int, int] = {}
        for top, _ in places:
            for strip in grid.strips_under(top, self._rows):
                self._missing[strip] = self._missing.get(strip, 0) + 1

    def add(
        self, pixels: npt.NDArray[np.float32], top: int, left: int
    ) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Add a frame (3, Rows, Columns), and give the number and the means of each strip that it completes."""
        grid = self._grid
        for number in grid.strips_under(top, self._rows):
            if number not in self._open:
                first = number * grid.strip_rows
                rows = min(grid.strip_rows, grid.target_rows - first)
                self._open[number] = _Strip(first, rows, grid.target_columns)
            self._open[number].add(grid, *_part(grid, pixels, top, left, number))
            self._missing[number] -= 1
            if not self._missing[number]:
                yield number, self._open.pop(number).means()


def _part(
    grid: Grid, pixels: npt.NDArray[np.float32], top: int, left: int, strip: int
) -> tuple[npt.NDArray[np.float32], int, int]:
    """The rows of a frame that reach into a strip, without what lies beyond the image."""
    height = grid.strip_rows * grid.factor[0]
    low = max(top, int(strip * height))
    high = min(top + pixels.shape[1], grid.rows, int(np.ceil((strip + 1) * height)))
    return pixels[:, low - top : high - top, : grid.columns - left], low, left
