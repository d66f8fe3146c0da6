"""The slices of a series, read from the heads of its files: plain images by a quick scan, others by pydicom."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydicom import dcmread

from dicomnode.dicom import plain_image as plain
from dicomnode.dicom.geometry import Plane, slice_normal
from dicomnode.dicom.head_scan import UnusualError
from dicomnode.dicom.plain_image import PlainImage, number_text, scan_plain_image
from dicomnode.errors import GeometryError
from dicomnode.inference.slices import (
    HEAD_KEYWORDS,
    VOLUME_SOP_CLASSES,
    Slice,
    StoredPixels,
    check_identity,
    check_instance,
    check_one_patient,
    describe,
    patient_of,
    readable,
    reference_of,
)
from dicomnode.study import Instance, Series

# Heads of plain images are a few KiB; those that are longer hold large private elements.
_FIRST_BYTES = (8192, 262144)


def read_slices(series: Series, instances: Sequence[Instance]) -> tuple[Slice, ...]:
    """Describe every frame of these instances of a series.

    Raises:
        IdentityError: Patient, study or series differ between the instances.
        GeometryError: An instance's geometry attributes are damaged.
        PixelError: An instance cannot be read, or its pixels have no known interpretation.
    """
    patients = set()
    slices: list[Slice] = []
    directions: dict[bytes, tuple[float, ...]] = {}
    for instance in instances:
        with readable(instance):
            image = _scanned(instance.path)
            try:
                item, patient = _plain_slice(series, instance, image, directions)
                patients.add(patient)
                slices.append(item)
            except UnusualError:
                dataset = dcmread(instance.path, stop_before_pixels=True, force=True, specific_tags=list(HEAD_KEYWORDS))
                patients.add(patient_of(dataset))
                check_identity(series, instance, dataset)
                slices.extend(describe(instance, dataset, _stored(image)))
    check_one_patient(series, patients)
    return tuple(slices)


def instance_slices(instance: Instance) -> tuple[Slice, ...]:
    """Describe every frame of an instance whose series is not known yet; errors as `read_slices`."""
    with readable(instance):
        image = _scanned(instance.path)
        dataset = dcmread(instance.path, stop_before_pixels=True, force=True, specific_tags=list(HEAD_KEYWORDS))
        check_instance(instance, dataset)
        return tuple(describe(instance, dataset, _stored(image)))


def _scanned(path: Path) -> PlainImage | None:
    file = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        for count in _FIRST_BYTES:
            try:
                return scan_plain_image(os.pread(file, count, 0), size)
            except UnusualError:
                if count >= size:
                    break
    finally:
        os.close(file)
    return None


def _stored(image: PlainImage | None) -> StoredPixels | None:
    if image is None:
        return None
    return StoredPixels(image.transfer_syntax_uid, image.scale, image.offset, image.length is None)


def _plain_slice(
    series: Series, instance: Instance, image: PlainImage | None, directions: dict[bytes, tuple[float, ...]]
) -> tuple[Slice, str]:
    """A slice with a place in the patient, and its Patient ID; `UnusualError` if pydicom has to say."""
    if image is None or instance.sop_class_uid not in VOLUME_SOP_CLASSES:
        raise UnusualError
    expected = (instance.sop_instance_uid, series.study_instance_uid, series.series_instance_uid)
    if tuple(map(image.text, (plain.SOP_INSTANCE, plain.STUDY, plain.SERIES))) != expected:
        raise UnusualError
    kinds = _image_type(image.values.get(plain.IMAGE_TYPE, b""))
    item = Slice(
        instance=instance,
        index=0,
        reference=reference_of(instance),
        plane=_plane(image, directions),
        spacing=None,
        rows=image.rows,
        columns=image.columns,
        channels=1,
        localizer="LOCALIZER" in kinds.upper(),
        contrasts=_contrasts(image, kinds),
        stored=_stored(image),
    )
    return item, image.text(plain.PATIENT_ID).strip()


def _plane(image: PlainImage, directions: dict[bytes, tuple[float, ...]]) -> Plane | None:
    position, orientation = image.numbers(plain.POSITION, 3), _orientation(image, directions)
    if position is None or orientation is None:
        return None
    spacing, thickness = image.numbers(plain.SPACING, 2), image.numbers(plain.THICKNESS, 1)
    if spacing is None or not (spacing[0] > 0 and spacing[1] > 0):
        raise UnusualError
    x, y, z = position
    a, b, c, d, e, f = orientation
    return Plane((x, y, z), (a, b, c, d, e, f), (spacing[0], spacing[1]), thickness[0] if thickness else None)


def _orientation(image: PlainImage, directions: dict[bytes, tuple[float, ...]]) -> tuple[float, ...] | None:
    """Two unit vectors at right angles; most slices of a series have those of the slice before."""
    value = image.values.get(plain.ORIENTATION, b"")
    if value not in directions:
        orientation = image.numbers(plain.ORIENTATION, 6)
        if orientation is None:
            return None
        try:
            slice_normal(orientation)
        except GeometryError as error:
            raise UnusualError from error
        directions[value] = orientation
    return directions[value]


def _image_type(value: bytes) -> str:
    """Image Type as pydicom's value of it is written."""
    text = value.rstrip(b"\0 ")
    if not text:
        return ""
    parts = text.split(b"\\")
    if not all(part.replace(b" ", b"").replace(b"_", b"").isalnum() for part in parts):
        raise UnusualError
    words = [part.decode("ascii", "replace") for part in parts]
    return words[0] if len(words) == 1 else str(words)


def _contrasts(image: PlainImage, kinds: str) -> tuple[str, ...]:
    """In the order of ``CONTRASTS``; what stands in functional groups there is not in a plain image."""

    def number(tag: int, *, whole: bool = False) -> str:
        return number_text(image.values.get(tag, b""), whole=whole)

    echo, trigger, inversion = map(number, (plain.ECHO_TIME, plain.TRIGGER_TIME, plain.INVERSION_TIME))
    temporal, acquisition = number(plain.TEMPORAL, whole=True), number(plain.ACQUISITION, whole=True)
    return ("", "", echo, "", temporal, "", "", "", trigger, inversion, "", "", kinds, acquisition)
