"""Where a source image lies in the patient or on the slide, as the SEG writers are fed with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from dicomnode.evidence.views import PROJECTION_MODALITIES
from dicomnode.study import SourceReference

_SAME_PLACE = 1e-3  # mm
_MICROMETRES = 1000.0  # in a millimetre


@dataclass(frozen=True, slots=True)
class Plane:
    """One image plane in the patient coordinate system (PS3.3 C.7.6.2), mm.

    Attributes:
        frame_of_reference_uid: (0020,0052).
        orientation: Six direction cosines: along a row, then down a column.
        position: Centre of the first pixel.
        pixel_spacing: Between rows, between columns.
        slice_thickness: None if the source does not say.
        rows: Height in pixels.
        columns: Width in pixels.
    """

    frame_of_reference_uid: str
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    slice_thickness: float | None
    rows: int
    columns: int


def plane_of(header: Dataset, reference: SourceReference) -> Plane | None:
    """The plane of an image or frame; None if the source does not place it in the patient."""
    frame = 1 if reference.frame_number is None else reference.frame_number
    orientation = _numbers(_attribute(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    position = _numbers(_attribute(header, frame, "PlanePositionSequence", "ImagePositionPatient"), 3)
    spacing = _numbers(_attribute(header, frame, "PixelMeasuresSequence", "PixelSpacing"), 2)
    thickness = _numbers([_attribute(header, frame, "PixelMeasuresSequence", "SliceThickness")], 1)
    frame_of_reference = header.get("FrameOfReferenceUID")
    if not (frame_of_reference and orientation and position and spacing):
        return None
    return Plane(
        str(frame_of_reference),
        orientation,
        position,
        spacing,
        thickness[0] if thickness and thickness[0] > 0 else None,
        int(header.Rows),
        int(header.Columns),
    )


@dataclass(frozen=True, slots=True)
class SlidePlane:
    """A total pixel matrix on a microscope slide (PS3.3 C.8.12.4, C.8.12.14), mm.

    Attributes:
        frame_of_reference_uid: (0020,0052).
        orientation: Six direction cosines: along a row, then down a column.
        position: X, Y, Z of the centre of the top-left pixel.
        pixel_spacing: Between rows, between columns.
        slice_thickness: None if the source does not say.
        rows: Height of the matrix in pixels.
        columns: Width of the matrix in pixels.
    """

    frame_of_reference_uid: str
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    slice_thickness: float | None
    rows: int
    columns: int

    def coarser(self, origin: tuple[float, float], step: tuple[float, float], shape: tuple[int, int]) -> SlidePlane:
        """A matrix of larger pixels on the same slide.

        Args:
            origin: Column and row of its top-left corner, in this matrix's pixels.
            step: Width and height of one of its pixels, likewise.
            shape: Its rows and columns.
        """
        position = self.to_slide(origin[0] + step[0] / 2, origin[1] + step[1] / 2)
        spacing = (self.pixel_spacing[0] * step[1], self.pixel_spacing[1] * step[0])
        return replace(self, position=position, pixel_spacing=spacing, rows=shape[0], columns=shape[1])

    def to_slide(self, column: float, row: float) -> tuple[float, ...]:
        """X, Y, Z in mm of a place in the matrix: (0, 0) is its corner, (0.5, 0.5) the first pixel's centre."""
        along, down = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        place = np.array(self.position) + along * (column - 0.5) * self.pixel_spacing[1]
        place += down * (row - 0.5) * self.pixel_spacing[0]
        return tuple(float(value) for value in place)

    def to_pixel(self, place: Sequence[float]) -> tuple[float, float]:
        """Column and row of a place on the slide: the inverse of `to_slide` for places in the plane."""
        offset = np.array(place) - np.array(self.position)
        column = float(offset @ np.array(self.orientation[:3])) / self.pixel_spacing[1] + 0.5
        row = float(offset @ np.array(self.orientation[3:])) / self.pixel_spacing[0] + 0.5
        return column, row


def pixel_spacing_of(header: Dataset) -> tuple[float, ...]:
    """Pixel Spacing of a picture, between rows and between columns, mm; empty if it does not say or makes no sense.

    A projection that has none states that of its detector, and by how much the part before it is magnified there.
    """
    spacing = _numbers(header.get("PixelSpacing"), 2)
    if not spacing and header.get("Modality") in PROJECTION_MODALITIES:
        factor = _numbers([header.get("EstimatedRadiographicMagnificationFactor") or 1], 1)
        spacing = tuple(value / max(1.0, *factor) for value in _numbers(header.get("ImagerPixelSpacing"), 2))
    return spacing if spacing and min(spacing) > 0 else ()


def slide_place(item: Dataset) -> tuple[float, ...]:
    """X, Y, Z in mm of a place in the Slide Coordinate System, which gives Z in micrometres; empty if it has none."""
    x, y, z = (item.get(f"{axis}OffsetInSlideCoordinateSystem") for axis in "XYZ")
    place = _numbers((x, y, z or 0.0), 3)
    return (*place[:2], place[2] / _MICROMETRES) if place else ()


def set_slide_place(item: Dataset, place: Sequence[float]) -> None:
    """The inverse of `slide_place`."""
    scaled = (place[0], place[1], place[2] * _MICROMETRES)
    for axis, value in zip("XYZ", scaled, strict=True):
        setattr(item, f"{axis}OffsetInSlideCoordinateSystem", DSfloat(value, auto_format=True))


def slide_plane_of(header: Dataset) -> SlidePlane | None:
    """The total pixel matrix of a tiled image; None if it is not tiled or not placed on the slide."""
    place = slide_place(next(iter(header.get("TotalPixelMatrixOriginSequence") or [Dataset()])))
    orientation = _numbers(header.get("ImageOrientationSlide"), 6)
    spacing = _numbers(_attribute(header, 1, "PixelMeasuresSequence", "PixelSpacing"), 2)
    thickness = _numbers([_attribute(header, 1, "PixelMeasuresSequence", "SliceThickness")], 1)
    size = _numbers((header.get("TotalPixelMatrixRows"), header.get("TotalPixelMatrixColumns")), 2)
    frame_of_reference = header.get("FrameOfReferenceUID")
    if not (frame_of_reference and place and orientation and spacing and size and min(*spacing, *size) > 0):
        return None
    slice_thickness = thickness[0] if thickness and thickness[0] > 0 else None
    return SlidePlane(str(frame_of_reference), orientation, place, spacing, slice_thickness, int(size[0]), int(size[1]))


def slice_distance(planes: Sequence[Plane]) -> float | None:
    """The smallest distance between neighbours of parallel planes, in mm; None if there are not two places."""
    if not planes:
        return None
    cosines = np.array(planes[0].orientation)
    normal = np.cross(cosines[:3], cosines[3:])
    places = np.sort(np.array([plane.position for plane in planes]) @ normal)
    gaps = np.diff(places)
    gaps = gaps[gaps > _SAME_PLACE]
    return float(round(gaps.min(), 4)) if gaps.size else None


def _attribute(header: Dataset, frame: int, group: str, keyword: str) -> Any:
    """An attribute of a frame: from its own functional group, the shared one, or the header itself."""
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for groups in (per_frame[frame - 1 : frame], shared[:1]):
        for item in groups:
            for macro in (item.get(group) or [])[:1]:
                if macro.get(keyword) is not None:
                    return macro[keyword].value
    return header.get(keyword)


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    """The values as floats, or nothing where they are not ``count`` numbers."""
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return ()
    return numbers if len(numbers) == count else ()
