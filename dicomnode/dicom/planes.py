"""The plane and the pixel spacing that an image's attributes state for a frame."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.dicom.decoding import DECODE_ERRORS, name_of
from dicomnode.dicom.frames import frame_attribute
from dicomnode.dicom.geometry import Plane, slice_normal
from dicomnode.errors import GeometryError


def read_plane(dataset: Dataset, index: int = 0) -> Plane | None:
    """Where a frame lies in the patient.

    Args:
        dataset: An image, with or without functional groups.
        index: Frame, counted from 0.

    Returns:
        None if position or orientation is absent: such a picture has no place in the patient.

    Raises:
        GeometryError: An attribute is damaged, or the pixel spacing is missing although the place is known.
    """
    position = _numbers(dataset, index, "PlanePositionSequence", "ImagePositionPatient", 3)
    orientation = _numbers(dataset, index, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    if position is None or orientation is None:
        return None
    spacing = _numbers(dataset, index, "PixelMeasuresSequence", "PixelSpacing", 2)
    if spacing is None:
        raise GeometryError(f"{name_of(dataset)} states position and orientation but no Pixel Spacing")
    _check_spacing(dataset, spacing)
    thickness = _numbers(dataset, index, "PixelMeasuresSequence", "SliceThickness", 1)
    try:
        slice_normal(orientation)
    except GeometryError as error:
        raise GeometryError(f"{name_of(dataset)}: {error}") from error
    x, y, z = position
    a, b, c, d, e, f = orientation
    return Plane((x, y, z), (a, b, c, d, e, f), (spacing[0], spacing[1]), thickness[0] if thickness else None)


def planar_spacing(dataset: Dataset, index: int = 0) -> tuple[float, float] | None:
    """Spacing of rows and columns in the patient of an image without a place in it, mm, if it can be trusted.

    Imager Pixel Spacing is measured at the detector, so sizes in it are too large by an unknown
    magnification; Pixel Spacing that merely repeats it is no better (PS3.3 10.7.1.3). Pixel Spacing
    counts if it is calibrated (Pixel Spacing Calibration Type), or differs from Imager Pixel Spacing,
    or comes from a functional group.
    """
    spacing = _numbers(dataset, index, "PixelMeasuresSequence", "PixelSpacing", 2)
    if spacing is None:
        return None
    at_detector = _numbers(dataset, index, "PixelMeasuresSequence", "ImagerPixelSpacing", 2)
    calibrated = bool(dataset.get("PixelSpacingCalibrationType", None))
    own = dataset.get("PixelSpacing", None) is not None
    if own and not calibrated and (at_detector is None or np.allclose(spacing, at_detector)):
        return None
    _check_spacing(dataset, spacing)
    return spacing[0], spacing[1]


def specimen_spacing(dataset: Dataset, index: int = 0) -> tuple[float, float] | None:
    """Spacing of rows and columns in the specimen of a microscopic image, mm; None if none can be trusted.

    It stands in the Pixel Measures functional group, or as Pixel Spacing in the VL Image Module (PS3.3 C.8.12.1).
    Imager Pixel Spacing is that of the camera's detector, behind the lenses, and Pixel Spacing that merely repeats it
    is no better. Pixel Spacing Sequence of the Slide Coordinates Module is retired (PS3.3 C.8.12.2) and not read.

    Raises:
        GeometryError: The attribute is damaged.
    """
    spacing = _numbers(dataset, index, "PixelMeasuresSequence", "PixelSpacing", 2)
    if spacing is None:
        return None
    at_detector = _numbers(dataset, index, "PixelMeasuresSequence", "ImagerPixelSpacing", 2)
    calibrated = bool(dataset.get("PixelSpacingCalibrationType", None))
    if at_detector is not None and not calibrated and np.allclose(spacing, at_detector):
        return None
    _check_spacing(dataset, spacing)
    return spacing[0], spacing[1]


def _numbers(dataset: Dataset, index: int, sequence: str, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        value = frame_attribute(dataset, index, sequence, keyword)
        if value is None:
            return None
        values = value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
        numbers = tuple(float(str(number)) for number in values)
    except DECODE_ERRORS as error:
        raise GeometryError(f"{name_of(dataset)}: {keyword} holds no numbers") from error
    if not numbers:
        return None
    if len(numbers) != count or not np.all(np.isfinite(numbers)):
        raise GeometryError(f"{name_of(dataset)}: {keyword} is not {count} finite numbers")
    return numbers


def _check_spacing(dataset: Dataset, spacing: tuple[float, ...]) -> None:
    if not all(number > 0 for number in spacing):
        raise GeometryError(f"{name_of(dataset)}: Pixel Spacing is not above 0")
