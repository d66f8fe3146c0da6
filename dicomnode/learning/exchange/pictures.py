"""Frames of DICOM images as 16-bit PNG (grey) or 8-bit PNG (colour), each with its geometry beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicomnode.dicom.decoding import DECODE_ERRORS, name_of, number_of_frames, stored_frame
from dicomnode.dicom.display import read_window
from dicomnode.dicom.frames import frame_attribute
from dicomnode.dicom.header import read_header
from dicomnode.dicom.mammography import view_of
from dicomnode.dicom.pixels import MONOCHROME, check_photometric, read_frame, stored_range
from dicomnode.dicom.planes import planar_spacing, read_plane
from dicomnode.dicom.stored_bits import check_stored_bits
from dicomnode.errors import ImageError, NotDicomError, PixelError
from dicomnode.learning.exchange.geometry import Geometry, write_geometry

IMAGES, GEOMETRY = "images", "geometry"
_MOST_BITS = 16


def export_image(path: Path, out: Path) -> Iterator[Geometry]:
    """Write every frame of an image to ``images/<UID>.png`` and ``geometry/<UID>.json``.

    Args:
        path: A DICOM file.
        out: An existing folder.

    Raises:
        NotDicomError: It is no readable DICOM file.
        PixelError: Its pixels cannot be decoded, have more than 16 bits, or go beyond the bits that it states.
    """
    header = read_header(path)
    try:
        dataset = dcmread(path, force=True)
    except DECODE_ERRORS as error:
        raise NotDicomError(f"{path.name}: is not a readable DICOM file") from error
    if "PixelData" in dataset:
        check_stored_bits(dataset)
    (out / IMAGES).mkdir(exist_ok=True)
    count = number_of_frames(dataset)
    for index in range(count):
        name = header.sop_instance_uid + (f"_{index + 1:05d}" if count > 1 else "")
        pixels = _pixels(dataset, index)
        geometry = _geometry(dataset, index if count > 1 else None, f"{IMAGES}/{name}.png", pixels.shape)
        Image.fromarray(pixels).save(out / geometry.picture)
        write_geometry(geometry, out / GEOMETRY)
        yield geometry


def _pixels(dataset: Dataset, index: int) -> npt.NDArray[Any]:
    """(Rows, Columns) uint16, bright means much, or (Rows, Columns, 3) uint8."""
    photometric = check_photometric(dataset)
    if photometric not in MONOCHROME:
        return np.moveaxis(read_frame(dataset, index).values, 0, -1).round().astype(np.uint8)
    bits = int(dataset.BitsStored)
    if bits > _MOST_BITS:
        raise PixelError(f"{name_of(dataset)}: {bits} bits stored do not fit a picture of {_MOST_BITS} bits")
    low, high = stored_range(dataset)
    stored = stored_frame(dataset, index).astype(np.int32)
    return (high - stored if photometric == "MONOCHROME1" else stored - low).astype(np.uint16)


def _geometry(dataset: Dataset, index: int | None, picture: str, shape: Sequence[int]) -> Geometry:
    frame = index or 0
    window = read_window(dataset, frame)
    laterality, view = _view(dataset)
    low, high = stored_range(dataset)
    slope, intercept = (
        frame_attribute(dataset, frame, "PixelValueTransformationSequence", keyword)
        for keyword in ("RescaleSlope", "RescaleIntercept")
    )
    return Geometry(
        picture=picture,
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        frame_number=None if index is None else index + 1,
        modality=str(dataset.get("Modality") or ""),
        rows=shape[0],
        columns=shape[1],
        photometric_interpretation=str(dataset.PhotometricInterpretation),
        bits_stored=int(dataset.BitsStored),
        low=low,
        high=high,
        is_mirrored=dataset.PhotometricInterpretation == "MONOCHROME1",
        rescale_slope=1.0 if slope is None else float(str(slope)),
        rescale_intercept=0.0 if intercept is None else float(str(intercept)),
        window_center=None if window is None else window.center,
        window_width=None if window is None else window.width,
        laterality=laterality,
        view=view,
        **_places(dataset, frame),
    )


def _places(dataset: Dataset, frame: int) -> dict[str, Any]:
    plane = read_plane(dataset, frame)
    orientation = dataset.get("PatientOrientation")
    return {
        "pixel_spacing": (plane.pixel_spacing if plane is not None else planar_spacing(dataset, frame)) or (),
        "imager_pixel_spacing": _numbers(dataset.get("ImagerPixelSpacing")),
        "image_orientation_patient": () if plane is None else plane.orientation,
        "image_position_patient": () if plane is None else plane.position,
        "patient_orientation": tuple(orientation) if isinstance(orientation, MultiValue) else (),
        "frame_of_reference_uid": str(dataset.get("FrameOfReferenceUID") or ""),
    }


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(number) for number in value) if isinstance(value, MultiValue) else ()


def _view(dataset: Dataset) -> tuple[str, str]:
    if dataset.get("Modality") != "MG":
        return "", ""
    try:
        view = view_of(dataset)
    except ImageError:
        return "", ""  # it does not say, or contradicts itself: the picture is what it is
    return view.laterality, view.position
