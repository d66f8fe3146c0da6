"""Connected parts of a mask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dicomnode.learning.data.shapes import BoolMask
from dicomnode.learning.data.splits import join


def connected_parts(mask: BoolMask) -> Iterator[BoolMask]:
    """Parts whose pixels touch at sides or corners, each as a mask of the whole size, from top to bottom.

    Runs of each row are joined with those of the row above that they touch, so that the work grows with the length of
    the outlines and not with the area.
    """
    runs = _runs(mask)
    groups = np.array(join(len(runs), _touching(runs)), np.intp)
    for group in np.unique(groups):
        part = np.zeros_like(mask)
        for row, start, end in runs[groups == group]:
            part[row, start:end] = True
        yield part


def _runs(mask: BoolMask) -> npt.NDArray[np.intp]:
    """(N, 3): row, first column, column behind the last, in reading order."""
    padded = np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return np.stack([rows, starts, ends], axis=1)


def _touching(runs: npt.NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    rows = runs[:, 0]
    for index, (row, start, end) in enumerate(runs):
        first, last = np.searchsorted(rows, (row - 1, row))
        above = runs[first:last]
        for other in np.flatnonzero((above[:, 1] <= end) & (above[:, 2] >= start)):
            yield index, int(first + other)
