"""Where the breast is in a mammogram: the largest piece that is brighter than the background.

After Wu et al., IEEE TMI 2020, and the authors' report "The NYU Breast Cancer Screening Dataset v1.0": the foreground
is eroded, so that thin lines and what they hold together come off, the largest connected component is kept and dilated
again. The erosion there is 100 pixels of some 4096; here it is the same share of the image, on every n-th pixel, and
the outline is found at full resolution within it. Before that, unlike there, gaps are closed: contrast processing can
make fat as dark as air, and erosion would break such a breast into pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dicomnode.errors import PixelError

Pixels = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

# Longest side of the coarse picture that components are found in.
_COARSE = 256
_EROSION = 100 / 4096
# Dark gaps of up to twice this share of the image are closed.
_GAP = 0.012
# Noise of the background, and the faint glow around the breast, in shares of the tissue's brightness.
_NOISE_DEVIATIONS = 4.0
_GLOW = 0.03
_BINS = 1024


@dataclass(frozen=True, slots=True)
class Levels:
    """How bright a mammogram's background and tissue are.

    Attributes:
        background: The most frequent value below ``split``.
        split: Divides dark from bright so that both classes are as uniform as possible (Otsu 1979).
        foreground: What is brighter is not background.
    """

    background: float
    split: float
    foreground: float


@dataclass(frozen=True, slots=True)
class Breast:
    """The breast in a picture.

    Attributes:
        box: Top, left, bottom, right, tight.
        mask: (bottom - top, right - left) bool.
        background: Brightness of the air beside it.
    """

    box: tuple[int, int, int, int]
    mask: Flags
    background: float


def measure_levels(pixels: Pixels) -> Levels:
    """Brightness of background and tissue, from a sample of the pixels.

    Raises:
        PixelError: All pixels are of one value.
    """
    sample = pixels[_every(pixels.shape, 4)]
    counts, edges = np.histogram(sample, bins=_BINS)
    if edges[-1] <= edges[0] or sample.min() == sample.max():
        raise PixelError("all pixels are alike: there is no breast in the image")
    centres = (edges[:-1] + edges[1:]) / 2
    split = _otsu(counts, centres)
    last = int(np.searchsorted(centres, split, side="right"))
    mode = int(counts[:last].argmax())
    in_mode = sample[(sample >= edges[mode]) & (sample <= edges[mode + 1])]
    background = float(np.median(in_mode))
    below = sample[sample <= background]
    noise = 1.4826 * float(np.median(background - below))
    tissue = float(np.median(sample[sample > split]))
    step = max(_NOISE_DEVIATIONS * noise, _GLOW * (tissue - background))
    return Levels(background, split, background + step)


def find_breast(pixels: Pixels) -> Breast:
    """Find the breast in a (Rows, Columns) picture in which high is bright.

    Raises:
        PixelError: Nothing stands out from the background.
    """
    levels = measure_levels(pixels)
    every = max(1, -(-max(pixels.shape) // _COARSE))
    coarse = _largest(pixels[every // 2 :: every, every // 2 :: every] > levels.foreground)
    rows, columns = np.flatnonzero(coarse.any(axis=1)), np.flatnonzero(coarse.any(axis=0))
    top, left = int(rows[0]) * every, int(columns[0]) * every
    bottom, right = (int(rows[-1]) + 1) * every, (int(columns[-1]) + 1) * every
    fine = pixels[top:bottom, left:right] > levels.foreground
    near = coarse[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].repeat(every, 0).repeat(every, 1)
    fine &= near[: fine.shape[0], : fine.shape[1]]
    return _tight(fine, top, left, levels.background)


def _tight(mask: Flags, top: int, left: int, background: float) -> Breast:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise PixelError("nothing in the image stands out from its background: there is no breast in it")
    first, last, near, far = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    return Breast((top + first, left + near, top + last, left + far), mask[first:last, near:far], background)


def _largest(mask: Flags) -> Flags:
    """The largest component of a mask, of its eroded form if that leaves something, one pixel wider than it was."""
    solid = _filled(mask)
    iterations = max(1, round(_EROSION * max(mask.shape)))
    eroded: Flags = ndimage.binary_erosion(solid, iterations=iterations)
    if not eroded.any():
        eroded, iterations = solid, 0
    labels, count = ndimage.label(eroded)
    if not count:
        raise PixelError("nothing in the image stands out from its background: there is no breast in it")
    largest = labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())
    return np.asarray(ndimage.binary_dilation(largest, iterations=iterations + 1), bool)


def _filled(mask: Flags) -> Flags:
    """The mask without the gaps that fat as dark as air leaves in it."""
    reach = max(1, round(_GAP * max(mask.shape)))
    padded = np.pad(mask, reach + 1, mode="edge")
    closed = ndimage.binary_closing(padded, iterations=reach)
    inside = slice(reach + 1, -reach - 1)
    return np.asarray(ndimage.binary_fill_holes(closed[inside, inside]), bool)


def _otsu(counts: npt.NDArray[np.intp], centres: npt.NDArray[np.float64]) -> float:
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    means = np.divide(sums[:-1], below, out=np.zeros(len(below)), where=below > 0)
    rest = np.divide(sums[-1] - sums[:-1], above, out=np.zeros(len(above)), where=above > 0)
    best = int((below * above * (means - rest) ** 2).argmax())
    return float((centres[best] + centres[best + 1]) / 2)


def _every(shape: tuple[int, ...], divisor: int) -> tuple[slice, slice]:
    """Every n-th row and column, so that a picture of any size is sampled by a million values or fewer."""
    step = max(1, max(shape) * divisor // 4096)
    return slice(None, None, step), slice(None, None, step)
