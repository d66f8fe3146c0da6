"""Where a prepared view lies on the stored pixels of its image, and the exact way back.

Coordinates are column, row; the top-left corner of the top-left pixel is (0, 0), its centre (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dicomnode.dicom.turn import Turn

Points = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32]
_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Placement:
    """A prepared view: the stored picture turned, cut, scaled and padded, never sheared.

    Attributes:
        source: Rows and columns of the stored picture.
        turn: What puts the chest wall at the left edge, upright.
        origin: Row and column of the turned picture, in its pixels, at the prepared view's top-left corner; negative
            where it is padded there.
        scale: Prepared pixels per source pixel, along rows' direction (down) and columns' direction (across).
        size: Rows and columns of the prepared view.
        shown: Top, left, bottom, right of what shows the picture, in prepared pixels; the rest is padding.
    """

    source: tuple[int, int]
    turn: Turn
    origin: tuple[float, float]
    scale: tuple[float, float]
    size: tuple[int, int]
    shown: tuple[int, int, int, int]

    @property
    def turned(self) -> tuple[int, int]:
        """Rows and columns of the turned picture."""
        rows, columns = self.source
        return (columns, rows) if self.turn.transposed else (rows, columns)

    def to_source(self, points: Points) -> Points:
        """Map (N, 2) column, row of the prepared view to column, row of the stored picture."""
        down, across = self.scale
        columns = points[:, 0] / across + self.origin[1]
        rows = points[:, 1] / down + self.origin[0]
        if self.turn.columns_reversed:
            columns = self.turned[1] - columns
        if self.turn.rows_reversed:
            rows = self.turned[0] - rows
        return np.stack((rows, columns) if self.turn.transposed else (columns, rows), axis=1)

    def to_prepared(self, points: Points) -> Points:
        """Map (N, 2) column, row of the stored picture to column, row of the prepared view."""
        columns, rows = (points[:, 1], points[:, 0]) if self.turn.transposed else (points[:, 0], points[:, 1])
        if self.turn.columns_reversed:
            columns = self.turned[1] - columns
        if self.turn.rows_reversed:
            rows = self.turned[0] - rows
        down, across = self.scale
        return np.stack(((columns - self.origin[1]) * across, (rows - self.origin[0]) * down), axis=1)

    def boxes_to_source(self, boxes: Points) -> Points:
        """Map (N, 4) xyxy of the prepared view to xyxy of the stored picture."""
        return _sorted_corners(self.to_source(boxes[:, :2]), self.to_source(boxes[:, 2:]))

    def boxes_to_prepared(self, boxes: Points) -> Points:
        """Map (N, 4) xyxy of the stored picture to xyxy of the prepared view; what lies outside it is not cut."""
        return _sorted_corners(self.to_prepared(boxes[:, :2]), self.to_prepared(boxes[:, 2:]))

    def mask_to_source(self, mask: Flags) -> Flags:
        """Map a mask of the prepared view to (Rows, Columns) of the stored picture; False where nothing was shown.

        Args:
            mask: (h, w) bool.
        """
        return self._spread(mask, np.zeros(self.turned, bool))

    def map_to_source(self, scores: Values) -> Values:
        """Map a grid over the prepared view, such as a saliency map, to (Rows, Columns) of the stored picture.

        Each source pixel gets the element that its centre lies in; NaN where nothing was shown.

        Args:
            scores: (R, C) float32 that covers the whole prepared view evenly.
        """
        return self._spread(scores, np.full(self.turned, np.nan, np.float32))

    def mask_to_prepared(self, mask: Flags) -> Flags:
        """Map a mask of the stored picture to (h, w) of the prepared view; False in the padding.

        Args:
            mask: (Rows, Columns) bool.
        """
        top, left, bottom, right = self.shown
        prepared = np.zeros(self.size, bool)
        rows = _elements(np.arange(top, bottom), self.origin[0], self.scale[0], self.turned[0])
        columns = _elements(np.arange(left, right), self.origin[1], self.scale[1], self.turned[1])
        prepared[top:bottom, left:right] = self.turn.apply(mask)[np.ix_(rows, columns)]
        return prepared

    def _spread(self, grid: npt.NDArray[_Value], canvas: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        top, left, bottom, right = self.shown
        rows, down = _covered(self.turned[0], self.origin[0], self.scale[0], (top, bottom))
        columns, across = _covered(self.turned[1], self.origin[1], self.scale[1], (left, right))
        of_rows = np.floor(down * (grid.shape[0] / self.size[0])).astype(int)
        of_columns = np.floor(across * (grid.shape[1] / self.size[1])).astype(int)
        canvas[rows, columns] = grid[np.ix_(of_rows, of_columns)]
        return np.ascontiguousarray(self.turn.undo(canvas))


def _sorted_corners(one: Points, other: Points) -> Points:
    return np.concatenate([np.minimum(one, other), np.maximum(one, other)], axis=1)


def _elements(places: npt.NDArray[np.int_], origin: float, scale: float, length: int) -> npt.NDArray[np.int_]:
    """Source pixels that the centres of prepared pixels lie in."""
    return np.asarray(np.clip(np.floor((places + 0.5) / scale + origin), 0, length - 1), np.int_)


def _covered(length: int, origin: float, scale: float, shown: tuple[int, int]) -> tuple[slice, Points]:
    """Source pixels whose centres lie in what is shown of them, and where their centres lie in the prepared view."""
    places = np.asarray((np.arange(length) + 0.5 - origin) * scale, np.float64)
    low, high = np.searchsorted(places, shown, side="left")
    return slice(int(low), int(high)), places[low:high]
