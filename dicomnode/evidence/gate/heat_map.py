"""Checks of the heat map: its values, and that it lies on its image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.evidence.gate.subject import Subject
from dicomnode.evidence.planes import SlidePlane, pixel_spacing_of, slide_place, slide_plane_of

_SAME_DIRECTION = 1e-6
_SAME_PLACE = 1e-6  # mm; a slide's pixel is some 1e-4


def heat_map(subject: Subject) -> Iterator[str]:
    """One segment that explains its values, all of its pixels, and a place on the slide or the picture it is of."""
    if subject.role != "heat-map":
        return
    dataset = subject.dataset
    segments = list(dataset.get("SegmentSequence") or [])
    if len(segments) != 1 or not segments[0].get("SegmentDescription"):
        yield "the heat map does not have one segment with a SegmentDescription that explains its values"
    size = int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0) * int(dataset.get("NumberOfFrames") or 0)
    if len(dataset.get("PixelData") or b"") != size + size % 2:
        yield "PixelData does not have one byte for each pixel of each frame"
    for number, frame in enumerate(dataset.get("PerFrameFunctionalGroupsSequence") or [], 1):
        for derivation in frame.get("DerivationImageSequence") or []:
            for reference in derivation.get("SourceImageSequence") or []:
                for problem in _place(subject, frame, reference):
                    yield f"frame {number}: {problem}"


def _place(subject: Subject, frame: Dataset, reference: Dataset) -> Iterator[str]:
    source = subject.sources.get(str(reference.get("ReferencedSOPInstanceUID")))
    on_slide = "TotalPixelMatrixColumns" in (source if source is not None else subject.dataset)
    if reference.get("SpatialLocationsPreserved") != ("NO" if on_slide else "YES"):
        yield "SpatialLocationsPreserved does not say whether the map's pixels are the image's"
    if not on_slide:
        yield from _pixel_measures(subject.dataset, source)
        return
    own = slide_plane_of(subject.dataset)
    if own is None:
        yield "the heat map does not say where on the slide it lies"
        return
    yield from _frame_position(own, frame)
    theirs = slide_plane_of(source) if source is not None else None
    if theirs is not None:
        yield from _extent(own, theirs)


def _pixel_measures(dataset: Dataset, source: Dataset | None) -> Iterator[str]:
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    measured = any(item.get("PixelMeasuresSequence") for item in shared)
    if source is not None and pixel_spacing_of(source) and not measured:
        yield "Pixel Measures are missing, although the image has a Pixel Spacing; viewers go blank"


def _frame_position(own: SlidePlane, frame: Dataset) -> Iterator[str]:
    for position in frame.get("PlanePositionSlideSequence") or []:
        place = slide_place(position)
        if not place or not np.allclose(place, own.position, rtol=0, atol=_SAME_PLACE):
            yield "its plane position is not the origin of the total pixel matrix"


def _extent(own: SlidePlane, theirs: SlidePlane) -> Iterator[str]:
    """The map may overhang its image by less than one of its own elements: the last tile of a row may."""
    if not np.allclose(own.orientation, theirs.orientation, rtol=0, atol=_SAME_DIRECTION):
        yield "its orientation on the slide is not that of its image"
        return
    width = own.pixel_spacing[1] / theirs.pixel_spacing[1]
    height = own.pixel_spacing[0] / theirs.pixel_spacing[0]
    corners = [theirs.to_pixel(own.to_slide(*corner)) for corner in ((0, 0), (own.columns, own.rows))]
    if not all(
        -width < column < theirs.columns + width and -height < row < theirs.rows + height for column, row in corners
    ):
        yield f"the heat map leaves the image of {theirs.columns} x {theirs.rows} pixels"
