"""Whether the pixels of a mammogram agree with what its header says of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomnode.dicom.mammography import MammogramView
from dicomnode.errors import PixelError
from dicomnode.inference.mammography.breast import find_breast, measure_levels

Pixels = npt.NDArray[np.float32]

# Air is uniform, tissue is not: the class that is so much more uniform than the other is the background.
_UNIFORM = 4.0
# Corners and edges that are looked at, in shares of the picture's sides.
_CORNER = 0.04
_EDGE = 0.02
# The breast touches the chest wall's edge along most of its height; the nipple may touch the other one.
_MORE = 1.5


def check_polarity(pixels: Pixels, raw: bool = False) -> None:
    """Check that the background is dark.

    Args:
        pixels: (Rows, Columns), mirrored already if the header says MONOCHROME1.
        raw: Whether the image is For Processing.

    Raises:
        PixelError: It is bright, or there is nothing in the image.
    """
    split = measure_levels(pixels).split
    step = max(1, max(pixels.shape) // 1024)
    sample = pixels[::step, ::step]
    dark, bright = _spread(sample[sample <= split]), _spread(sample[sample > split])
    corners = _corners_bright(pixels, split)
    if bright * _UNIFORM < dark and any(corners[0] and corners[1] for corners in corners):
        what = "For Processing values rise with the radiation" if raw else "the pixels are inverted"
        raise PixelError(
            f"the background is bright although Photometric Interpretation says that it is dark: {what}; correct the"
            " header at the source and send the image again"
        )


def check_chest_wall(pixels: Pixels, view: MammogramView) -> None:
    """Check that the chest wall is where laterality and Patient Orientation put it.

    Views of a part of the breast are not asked: what they show need not reach the chest wall.

    Args:
        pixels: (Rows, Columns) as stored, background dark.
        view: What the header says.

    Raises:
        PixelError: The breast comes from the opposite edge, or there is none in the image.
    """
    if view.shows_part:
        return
    turn = view.turn if view.laterality == "L" else view.turn.mirrored()
    turned = turn.apply(pixels)
    breast = find_breast(turned)
    rows, columns = turned.shape
    band = max(1, round(_EDGE * columns))
    _, left, _, right = breast.box
    here = int(breast.mask[:, : max(0, band - left)].any(axis=1).sum())
    there = int(breast.mask[:, max(0, columns - band - left) :].any(axis=1).sum()) if right > columns - band else 0
    if there > _MORE * here + _EDGE * rows:
        raise PixelError(
            f"the header says {view.name} with the chest wall at the {_edge(view)} edge, and the breast comes from the"
            " opposite edge: laterality or orientation is wrong; correct it at the source and send the image again"
        )


def _edge(view: MammogramView) -> str:
    """The stored picture's edge at which the chest wall is expected."""
    at_start = (view.laterality == "L") != view.turn.columns_reversed
    return ("upper" if at_start else "lower") if view.turn.transposed else ("left" if at_start else "right")


def _spread(values: Pixels) -> float:
    """Distance between the quartiles."""
    low, high = np.percentile(values, (25, 75)) if values.size else (0.0, np.inf)
    return float(high - low)


def _corners_bright(pixels: Pixels, split: float) -> tuple[tuple[bool, bool], ...]:
    """Whether the two corners of each of the four edges are bright."""
    rows, columns = (max(1, round(_CORNER * length)) for length in pixels.shape)
    tops = [float(np.median(part)) > split for part in (pixels[:rows, :columns], pixels[:rows, -columns:])]
    ends = [float(np.median(part)) > split for part in (pixels[-rows:, :columns], pixels[-rows:, -columns:])]
    return (tops[0], ends[0]), (tops[1], ends[1]), (tops[0], tops[1]), (ends[0], ends[1])
