"""Which heat maps of a result can become a segmentation, on which grid, with which stored values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dicomnode.errors import InputError
from dicomnode.evidence.planes import SlidePlane, slide_plane_of
from dicomnode.evidence.projections import Projection, is_projection, projections_of, same_image
from dicomnode.evidence.sources import Sources
from dicomnode.findings import HeatMap, Result

MAXIMUM_VALUE = 255
_MAXIMUM_BYTES = 1 << 27
_UNPLACED = "No heat map object: the tiled image does not state where on the slide it lies, or its pixel spacing."
_TOO_LARGE = "No heat map object: the image has more pixels than a heat map on its own grid may have."

Stored = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class HeatMaps:
    """What one segmentation is made from.

    Attributes:
        maps: A single one on a slide or projection; or those on pictures of one size, one frame each.
        plane: The grid of the map on its slide; None for pictures, whose own pixels are the grid.
        left_out: How many more maps the result has that no object is made of.
        projection: The projection image that the map is of; None of slides and pictures.
    """

    maps: tuple[HeatMap, ...]
    plane: SlidePlane | None
    left_out: int
    projection: Projection | None = None

    def frames(self, rows: int, columns: int) -> Stored:
        """(maps, rows, columns) of stored values: score x 255, and 0 where nothing was examined."""
        if self.plane is not None:
            return stored_values(self.maps[0])[np.newaxis]
        return np.stack([_spread(heat_map, rows, columns) for heat_map in self.maps])


def heat_maps_of(result: Result, sources: Sources) -> tuple[HeatMaps, ...] | str | None:
    """What can be drawn: maps, each for one object; a sentence that says why not; or None if there are none.

    A segmentation has one size and one frame of reference. The image that carried the answer decides
    which; a whole slide has a segmentation to itself, and so has each projection.

    Raises:
        InputError: A score is not a number of 0..1.
    """
    maps = tuple(heat_map for heat_map in _leading_first(result) if np.isfinite(heat_map.scores).any())
    if not maps:
        return None
    for heat_map in maps:
        _check_scores(heat_map)
    first = sources.of(maps[0].image)
    if is_projection(first):
        return _of_projections(maps, result, sources)
    if "TotalPixelMatrixColumns" in first:
        plane = slide_plane_of(first)
        if plane is None:
            return _UNPLACED
        rows, columns = maps[0].scores.shape
        return (HeatMaps(maps[:1], plane.coarser(maps[0].origin, maps[0].step, (rows, columns)), len(maps) - 1),)
    alike = tuple(heat_map for heat_map in maps if _grid(heat_map, sources) == _grid(maps[0], sources))
    fitting = alike[: _MAXIMUM_BYTES // max(int(first.Rows) * int(first.Columns), 1)]
    return (HeatMaps(fitting, None, len(maps) - len(fitting)),) if fitting else _TOO_LARGE


def _of_projections(maps: Sequence[HeatMap], result: Result, sources: Sources) -> tuple[HeatMaps, ...]:
    drawn = [
        HeatMaps((heat_map,), None, 0, projection)
        for projection in projections_of(result, sources)
        for heat_map in maps
        if same_image(heat_map.image, projection.image)
    ]
    left_out = len(maps) - len(drawn)
    return tuple(replace(one, left_out=left_out) for one in drawn)


def stored_values(heat_map: HeatMap) -> Stored:
    """(R, C): the scores as a fractional segmentation stores them (PS3.3 C.8.20.2.3)."""
    scores = np.nan_to_num(heat_map.scores.astype(np.float64), nan=0.0)
    stored: Stored = np.rint(scores * MAXIMUM_VALUE).astype(np.uint8)
    return stored


def _leading_first(result: Result) -> tuple[HeatMap, ...]:
    """The maps, that of the image which carried the answer before the others."""
    carried = [image.sop_instance_uid for image in (result.answer.carried_by if result.answer else ())]
    order = {uid: number for number, uid in reversed(list(enumerate(carried)))}
    return tuple(sorted(result.heat_maps, key=lambda heat_map: order.get(heat_map.image.sop_instance_uid, len(order))))


def _check_scores(heat_map: HeatMap) -> None:
    known = heat_map.scores[~np.isnan(heat_map.scores)]
    if known.size and not (float(known.min()) >= 0 and float(known.max()) <= 1):
        raise InputError(
            f"heat map of image {heat_map.image.sop_instance_uid} has scores from {float(known.min()):g} to "
            f"{float(known.max()):g}; they must be 0 to 1, or NaN where nothing was examined"
        )


def _grid(heat_map: HeatMap, sources: Sources) -> tuple[object, ...]:
    header = sources.of(heat_map.image)
    tiled = "TotalPixelMatrixColumns" in header
    place = (heat_map.image.series_instance_uid, str(header.get("FrameOfReferenceUID") or ""))
    return tiled, *place, int(header.get("Rows") or 0), int(header.get("Columns") or 0)


def _spread(heat_map: HeatMap, rows: int, columns: int) -> Stored:
    """The map on the pixels of its image: each takes the value of the element that its centre lies in."""
    values = np.pad(stored_values(heat_map), ((0, 1), (0, 1)))
    down = _elements(rows, heat_map.origin[1], heat_map.step[1], values.shape[0] - 1)
    along = _elements(columns, heat_map.origin[0], heat_map.step[0], values.shape[1] - 1)
    spread: Stored = values[np.ix_(down, along)]
    return spread


def _elements(pixels: int, origin: float, step: float, count: int) -> npt.NDArray[np.int64]:
    """Which element of the map each pixel of an axis lies in; ``count``, the padding, if in none."""
    places = np.floor((np.arange(pixels) + 0.5 - origin) / step).astype(np.int64)
    return np.where((places >= 0) & (places < count), places, count)
