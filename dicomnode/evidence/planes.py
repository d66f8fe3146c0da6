"""Where a source image lies in space, in the one shape that the SEG writer is fed with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.study import SourceReference

_SAME_PLACE = 1e-3  # mm


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
