"""Whether the pixels of a mammogram agree with what its header says of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomnode.dicom.mammography import MammogramView
from dicomnode.errors import PixelError
from dicomnode.inference.mammography.breast import find_breast

Pixels = npt.NDArray[np.float32]

# Grey levels that the background is looked for in, as the most frequent one and its two neighbours.
_LEVELS = 64
# A bright background is brighter than this percentage of the rest.
_BRIGHTER_THAN = 75
# Corners that are looked at, in shares of the picture's sides.
_CORNER = 0.04
# Outer parts of the breast that are compared, in shares of its width, and how much higher the front may be than the
# part at the chest wall. In the 292 low-energy images of CDD-CESM the front is at most 0.68 times as high.
_PART = 0.2
_HIGHER = 1.2


def check_polarity(pixels: Pixels, raw: bool = False) -> None:
    """Check that the background is dark.

    Args:
        pixels: (Rows, Columns), mirrored already if the header says MONOCHROME1.
        raw: Whether the image is For Processing.

    Raises:
        PixelError: It is bright, or there is nothing in the image.
    """
    step = max(1, max(pixels.shape) // 1024)
    sample = pixels[::step, ::step]
    counts, edges = np.histogram(sample, _LEVELS)
    mode = int(counts.argmax())
    low, high = float(edges[max(0, mode - 1)]), float(edges[min(_LEVELS, mode + 2)])
    rest = sample[(sample < low) | (sample > high)]
    if not rest.size:
        raise PixelError("all pixels are alike: there is no breast in the image")
    if edges[mode] > np.percentile(rest, _BRIGHTER_THAN) and _lies_at_an_edge(pixels, low, high):
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
    heights = find_breast(turn.apply(pixels)).mask.sum(axis=0)
    part = max(1, round(_PART * len(heights)))
    if heights[-part:].mean() > _HIGHER * heights[:part].mean():
        raise PixelError(
            f"the header says {view.name} with the chest wall at the {_edge(view)} edge, and the breast comes from the"
            " opposite edge: laterality or orientation is wrong; correct it at the source and send the image again"
        )


def _edge(view: MammogramView) -> str:
    """The stored picture's edge at which the chest wall is expected."""
    at_start = (view.laterality == "L") != view.turn.columns_reversed
    return ("upper" if at_start else "lower") if view.turn.transposed else ("left" if at_start else "right")


def _lies_at_an_edge(pixels: Pixels, low: float, high: float) -> bool:
    """Whether both corners of one of the four edges lie between two values."""
    rows, columns = (max(1, round(_CORNER * length)) for length in pixels.shape)
    top, bottom, left, right = slice(rows), slice(-rows, None), slice(columns), slice(-columns, None)
    ring = [pixels[corner] for corner in ((top, left), (top, right), (bottom, right), (bottom, left))]
    inside = [low <= float(np.median(corner)) <= high for corner in ring]
    return any(one and other for one, other in zip(inside, inside[1:] + inside[:1], strict=True))
