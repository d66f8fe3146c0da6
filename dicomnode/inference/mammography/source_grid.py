"""What a network says of a prepared view, on the pixels of its source image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dicomnode.dicom.outline import box_corners
from dicomnode.findings import Attention, HeatMap, Polygon
from dicomnode.study import SourceReference

FloatArray = npt.NDArray[np.float64]


class WayBack(Protocol):
    """How a prepared view lies on its source: mirrored, turned, shifted, scaled, but never sheared."""

    def to_source(self, points: FloatArray) -> FloatArray:
        """Map (N, 2) column, row points, counted from the corner of the prepared view, to the source image."""
        ...


def map_on_source(
    image: SourceReference, scores: npt.NDArray[np.float32], size: tuple[int, int], placement: WayBack
) -> HeatMap:
    """A map over a prepared view as a heat map of the source image.

    Its elements are put in the order of the source's columns and rows, so that the grid's step is positive however the
    view was mirrored or turned. The grid may reach beyond the image, where the view was padded.

    Args:
        image: The source image.
        scores: (h, w) 0..1 over the whole prepared view.
        size: Rows and columns of the prepared view, pixels.
        placement: The way back.
    """
    corners = np.array([[0.0, 0.0], [size[1], 0.0], [0.0, size[0]]])
    start, along, down = placement.to_source(corners)
    extent = (along - start) + (down - start)
    if abs(along[0] - start[0]) < abs(down[0] - start[0]):
        scores = scores.T
    if extent[0] < 0:
        scores = scores[:, ::-1]
    if extent[1] < 0:
        scores = scores[::-1]
    origin = np.minimum(start, start + extent)
    rows, columns = scores.shape
    step = (float(abs(extent[0])) / columns, float(abs(extent[1])) / rows)
    return HeatMap(image, np.ascontiguousarray(scores), (float(origin[0]), float(origin[1])), step)


def attention_on_source(
    image: SourceReference,
    shape: tuple[int, int],
    patches: Sequence[FloatArray] | FloatArray,
    weights: FloatArray,
    placement: WayBack,
) -> tuple[Attention, ...]:
    """Patches of a prepared view as boxes of the source image, cut to it, the highest weight first.

    Args:
        image: The source image.
        shape: Its rows and columns.
        patches: (P, 4) xyxy in pixels of the prepared view.
        weights: (P,) 0..1.
        placement: The way back.
    """
    found = []
    limits = np.array([shape[1], shape[0]], dtype=np.float64)
    for index in np.argsort(-weights, kind="stable").tolist():
        corners = placement.to_source(box_corners(patches[index]))
        low, high = np.clip(corners.min(axis=0), 0, limits), np.clip(corners.max(axis=0), 0, limits)
        if (high > low).all():  # a patch that lies wholly on padding shows nothing
            box = Polygon(image, box_corners(np.concatenate([low, high])), is_box=True)
            found.append(Attention(box, float(weights[index])))
    return tuple(found)
