"""A view as the published networks take it (Wu et al., IEEE TMI 2020; Shen et al., Medical Image Analysis 2021).

In this order: upright with the chest wall at the left edge, so right breasts are mirrored; cut to the breast, with 50
pixels around it above, below and in front (per 4096 rows; at the chest wall none); a window of fixed size; standardised
by its own mean and standard deviation. Values stay float32 from the file to the tensor: no 8-bit step.

The window: along a direction in which the cut picture is smaller, it is padded with its background, at the chest wall's
opposite side and, vertically, equally above and below. Along the other, the window stands where it holds the most
pixels of breast; among equals, nearest to the breast's centre of gravity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from dicomnode.dicom.mammography import MammogramView
from dicomnode.inference.mammography.breast import Breast, find_breast
from dicomnode.inference.mammography.placement import Placement

Pixels = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

# Rows and columns of the published networks' input.
GMIC_SIZE = (2944, 1920)
CC_SIZE = (2677, 1942)
MLO_SIZE = (2974, 1748)

_MARGIN = 50 / 4096
_LEAST_DEVIATION = 1e-5


@dataclass(frozen=True, slots=True)
class Prepared:
    """A view ready for a network.

    Attributes:
        pixels: (1, h, w) float32, mean 0 and standard deviation 1, chest wall at the left edge.
        placement: Where it lies on the stored pixels.
    """

    pixels: Pixels
    placement: Placement


def prepare(pixels: Pixels, view: MammogramView, size: tuple[int, int], scale: float = 1.0) -> Prepared:
    """Prepare one view.

    Args:
        pixels: (Rows, Columns) float32 as stored, high is bright.
        view: Its side and how it is stored.
        size: Rows and columns of the window.
        scale: Window pixels per source pixel; below 1 the breast is made smaller before the window is chosen.

    Raises:
        PixelError: There is no breast in the image.
    """
    turn = view.turn if view.laterality == "L" else view.turn.mirrored()
    turned = turn.apply(pixels)
    breast = find_breast(turned)
    top, left, bottom, right = _with_margin(breast, turned.shape)
    cut = _scaled(turned[top:bottom, left:right], scale)
    down, across = cut.shape[0] / (bottom - top), cut.shape[1] / (right - left)
    row, column = _window(breast, (top, left), (down, across), cut.shape, size)
    shown = _shown((row, column), cut.shape, size)
    placement = Placement(
        source=(pixels.shape[0], pixels.shape[1]),
        turn=turn,
        origin=(top + row / down, left + column / across),
        scale=(down, across),
        size=size,
        shown=shown,
    )
    window = np.full(size, breast.background, np.float32)
    first, near, last, far = shown
    window[first:last, near:far] = cut[first + row : last + row, near + column : far + column]
    return Prepared(_standardised(window)[np.newaxis], placement)


def _with_margin(breast: Breast, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    top, left, bottom, right = breast.box
    margin = round(_MARGIN * max(shape))
    return max(0, top - margin), left, min(shape[0], bottom + margin), min(shape[1], right + margin)


def _scaled(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1.0:
        return pixels
    size = tuple(max(1, round(length * scale)) for length in pixels.shape)
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))[None, None]
    scaled = interpolate(tensor, size, mode="bilinear", antialias=True, align_corners=False)
    return np.asarray(scaled[0, 0].numpy(), np.float32)


def _window(
    breast: Breast, corner: tuple[int, int], scale: tuple[float, float], cut: tuple[int, ...], size: tuple[int, int]
) -> tuple[int, int]:
    """Row and column of the window's top-left corner in the cut picture; negative where it is padded above."""
    free = [size[axis] < cut[axis] for axis in (0, 1)]
    row, column = -((size[0] - cut[0]) // 2), 0
    if not any(free):
        return row, column
    offset = [int((breast.box[axis] - corner[axis]) * scale[axis]) for axis in (0, 1)]
    mask = _nearest(breast.mask, scale)
    canvas = np.zeros((cut[0], cut[1]), bool)
    part = canvas[offset[0] :, offset[1] :]
    rows, columns = min(mask.shape[0], part.shape[0]), min(mask.shape[1], part.shape[1])
    part[:rows, :columns] = mask[:rows, :columns]
    best = _best(canvas, (min(size[0], cut[0]), min(size[1], cut[1])))
    return (best[0] if free[0] else row), (best[1] if free[1] else column)


def _nearest(mask: Flags, scale: tuple[float, float]) -> Flags:
    if scale == (1.0, 1.0):
        return mask
    rows, columns = (
        np.minimum((np.arange(max(1, int(length * factor))) + 0.5) / factor, length - 1).astype(int)
        for length, factor in zip(mask.shape, scale, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def _best(mask: Flags, size: tuple[int, int]) -> tuple[int, int]:
    """Top-left corner of the window of this size, within the mask, that holds most of it."""
    rows, columns = size
    within = _sums(_sums(mask.astype(np.int32), rows).T, columns).T
    places = np.argwhere(within == within.max())
    down, across = (mask.sum(axis=axis, dtype=np.int64) for axis in (1, 0))
    centre = [np.average(np.arange(len(weights)) + 0.5, weights=weights) for weights in (down, across)]
    distance = ((places + np.array(size) / 2 - centre) ** 2).sum(axis=1)
    row, column = places[int(distance.argmin())]
    return int(row), int(column)


def _sums(values: npt.NDArray[np.int32], length: int) -> npt.NDArray[np.int32]:
    """Sums of ``length`` rows, from every row that has so many."""
    total = np.cumsum(values, axis=0, dtype=np.int32)
    sums = total[length - 1 :].copy()
    sums[1:] -= total[:-length]
    return sums


def _shown(window: tuple[int, int], cut: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int, int, int]:
    top, left = max(0, -window[0]), max(0, -window[1])
    return top, left, min(size[0], cut[0] - window[0]), min(size[1], cut[1] - window[1])


def _standardised(window: Pixels) -> Pixels:
    mean = window.mean(dtype=np.float64)
    deviation = max(float(window.std(dtype=np.float64)), _LEAST_DEVIATION)
    window -= np.float32(mean)
    window /= np.float32(deviation)
    return window
