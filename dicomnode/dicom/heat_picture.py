"""Scores over an image as a picture to lay upon it: blue below the operating point, red above, clear where none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

_MOST_ELEMENTS = 512
_BELOW, _ABOVE = np.array((74.0, 144.0, 226.0)), np.array((208.0, 40.0, 30.0))
_FAINT, _MIDDLE, _STRONG = 40.0, 80.0, 140.0  # opacity of 255


def heat_picture(scores: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.uint8]:
    """A transparent picture of a heat map; large ones are reduced.

    Args:
        scores: (Rows, Columns) 0..1; 0 where nothing was examined.
        threshold: The operating point, 0..1.

    Returns:
        (rows, columns, 4) RGBA of the same shape in the plane.
    """
    values = _reduced(scores)
    above = values >= threshold
    low = np.clip(values / max(threshold, 1e-6), 0, 1)
    high = np.clip((values - threshold) / max(1 - threshold, 1e-6), 0, 1)
    colours = np.where(above[..., np.newaxis], _ABOVE, _BELOW)
    opacity = np.where(above, _MIDDLE + (_STRONG - _MIDDLE) * high, _FAINT + (_MIDDLE - _FAINT) * low) * (values > 0)
    return np.asarray(np.rint(np.dstack([colours, opacity])), np.uint8)


def _reduced(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rows, columns = scores.shape
    scale = _MOST_ELEMENTS / max(rows, columns)
    if scale >= 1:
        return scores
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return np.asarray(Image.fromarray(scores).resize(size, Image.Resampling.BOX), np.float32)
