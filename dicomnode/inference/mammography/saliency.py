"""Regions of a source image where a saliency map is high."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dicomnode.dicom.outline import outline
from dicomnode.findings import HeatMap
from dicomnode.inference.pixelmap import Region

FloatArray = npt.NDArray[np.float64]

# More spots than these say that the network is lost on the image, and a reader learns nothing from them.
_MOST_OF_AN_IMAGE = 5


def salient_regions(heat_map: HeatMap, shape: tuple[int, int], threshold: float) -> tuple[tuple[Region, float], ...]:
    """The regions where a saliency map reaches a threshold, each with its highest saliency; the highest first.

    Between the centres of its elements the map is interpolated, so that outlines are not made of blocks. Elements that
    touch by a side belong to one region; of an image the five strongest regions are kept.

    Args:
        heat_map: Its grid may reach beyond the image.
        shape: Rows and columns of the image.
        threshold: Above 0.
    """
    scores = np.nan_to_num(heat_map.scores.astype(np.float64))
    labels, count = ndimage.label(scores >= threshold)
    peaks = ndimage.maximum(scores, labels, range(1, count + 1)) if count else []
    found: list[tuple[Region, float]] = []
    for label, peak in sorted(enumerate(peaks, start=1), key=lambda item: -item[1]):
        region = _region(heat_map, np.where(labels == label, scores, 0.0), shape, threshold)
        if region is not None:
            found.append((region, float(peak)))
    return tuple(found[:_MOST_OF_AN_IMAGE])


def _region(heat_map: HeatMap, scores: FloatArray, shape: tuple[int, int], threshold: float) -> Region | None:
    """The region of the only spot of ``scores``; None if it lies beyond the image."""
    rows, columns = np.nonzero(scores)
    left, right = _reach(columns, heat_map.origin[0], heat_map.step[0], shape[1])
    top, bottom = _reach(rows, heat_map.origin[1], heat_map.step[1], shape[0])
    if right <= left or bottom <= top:
        return None
    values = _interpolated(
        scores,
        _in_elements(range(top, bottom), heat_map.origin[1], heat_map.step[1]),
        _in_elements(range(left, right), heat_map.origin[0], heat_map.step[0]),
    )
    highest = float(values.max())
    if highest <= 0.0:
        return None
    # The peak itself may lie between pixels; a spot that only just reaches the threshold keeps its highest pixels.
    pixels = values >= min(threshold, highest)
    points = outline(values / (2 * threshold) if highest > threshold else pixels.astype(np.float64))
    if points is None:
        return None
    return Region(left, top, pixels, points + np.array([left, top], dtype=np.float64))


def _reach(cells: npt.NDArray[np.int64], origin: float, step: float, length: int) -> tuple[int, int]:
    """First pixel and the one behind the last that elements of a map reach along an axis, half an element more."""
    first, last = origin + (cells.min() - 0.5) * step, origin + (cells.max() + 1.5) * step
    return max(0, int(np.floor(first))), min(length, int(np.ceil(last)))


def _in_elements(pixels: range, origin: float, step: float) -> FloatArray:
    """Where the centres of pixels lie along an axis of the map, in its elements."""
    return np.asarray((np.array(pixels) + 0.5 - origin) / step, dtype=np.float64)


def _interpolated(scores: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Bilinear values at places counted in elements of the map from its corner; 0 beyond the outermost centres."""
    padded = np.pad(scores, 1)
    down, along = _weights(rows, padded.shape[0]), _weights(columns, padded.shape[1])
    return np.asarray(down @ padded @ along.T, dtype=np.float64)


def _weights(places: FloatArray, count: int) -> FloatArray:
    """(N, count) how much each element of a padded axis counts at each place."""
    centres = np.arange(count) - 0.5
    return np.asarray(np.clip(1.0 - np.abs(places[:, np.newaxis] - centres), 0.0, 1.0), dtype=np.float64)
