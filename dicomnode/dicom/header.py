"""What identifies and describes an instance: read from its head, without touching the pixels."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.charsets import decode_text, encodings_of
from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import NotDicomError

# What pydicom raises on bytes that are no sound data set.
PARSE_ERRORS = (
    InvalidDicomError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """What the node indexes of an instance. Text is unicode; what is absent is empty or None.

    Attributes:
        sop_instance_uid: (0008,0018).
        sop_class_uid: (0008,0016); private classes too.
        series_instance_uid: (0020,000E).
        study_instance_uid: (0020,000D).
        transfer_syntax_uid: (0002,0010); found out from the bytes where the file has no meta information.
        number_of_frames: (0028,0008), 1 if absent.
        contributing: Manufacturer and model name of each item of Contributing Equipment (0018,A001).
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    modality: str = ""
    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    issuer_of_patient_id: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    referring_physician_name: str = ""
    series_number: int | None = None
    series_description: str = ""
    series_date: str = ""
    series_time: str = ""
    body_part_examined: str = ""
    instance_number: int | None = None
    number_of_frames: int = 1
    rows: int | None = None
    columns: int | None = None
    manufacturer_model_name: str = ""
    contributing: tuple[tuple[str, str], ...] = ()


_UIDS = ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID")
_TEXTS = (
    "Modality",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "IssuerOfPatientID",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "ReferringPhysicianName",
    "SeriesDescription",
    "SeriesDate",
    "SeriesTime",
    "BodyPartExamined",
    "ManufacturerModelName",
)
_NUMBERS = ("SeriesNumber", "InstanceNumber", "NumberOfFrames")
_SIZES = ("Rows", "Columns")
_WANTED = (
    "SpecificCharacterSet", *_UIDS, *_TEXTS, *_NUMBERS, *_SIZES, "ContributingEquipmentSequence"
)  # fmt: skip


def read_header(source: BinaryIO | Path) -> InstanceHeader:
    """Read what identifies and describes an instance, up to its pixels.

    Args:
        source: A DICOM file, or a binary stream at its beginning. Files without preamble or File Meta
            Information are read too.

    Raises:
        NotDicomError: No DICOM instance, or one of the four UIDs is missing or malformed.
        OSError: The file cannot be read.
    """
    dataset = _head(source)
    encodings = encodings_of(_raw(dataset, "SpecificCharacterSet"))

    def text(keyword: str) -> str:
        return decode_text(_raw(dataset, keyword), encodings)

    return InstanceHeader(
        sop_instance_uid=_uid(dataset, "SOPInstanceUID"),
        sop_class_uid=_uid(dataset, "SOPClassUID"),
        series_instance_uid=_uid(dataset, "SeriesInstanceUID"),
        study_instance_uid=_uid(dataset, "StudyInstanceUID"),
        transfer_syntax_uid=transfer_syntax_of(dataset),
        modality=text("Modality"),
        patient_id=text("PatientID"),
        patient_name=text("PatientName"),
        patient_birth_date=text("PatientBirthDate"),
        patient_sex=text("PatientSex"),
        issuer_of_patient_id=text("IssuerOfPatientID"),
        accession_number=text("AccessionNumber"),
        study_id=text("StudyID"),
        study_date=text("StudyDate"),
        study_time=text("StudyTime"),
        study_description=text("StudyDescription"),
        referring_physician_name=text("ReferringPhysicianName"),
        series_description=text("SeriesDescription"),
        series_date=text("SeriesDate"),
        series_time=text("SeriesTime"),
        body_part_examined=text("BodyPartExamined"),
        manufacturer_model_name=text("ManufacturerModelName"),
        series_number=_integer(dataset, "SeriesNumber"),
        instance_number=_integer(dataset, "InstanceNumber"),
        number_of_frames=max(_integer(dataset, "NumberOfFrames") or 1, 1),
        rows=_size(dataset, "Rows"),
        columns=_size(dataset, "Columns"),
        contributing=_contributing(dataset, encodings),
    )


def transfer_syntax_of(dataset: FileDataset) -> str:
    """Transfer syntax that a file was read in: as its meta information says, else as its bytes were found to be."""
    named = dataset.file_meta.get("TransferSyntaxUID", None)
    if named and valid_uid(str(named)):
        return str(named)
    implicit, little_endian = dataset.original_encoding
    if implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian)


def _head(source: BinaryIO | Path) -> FileDataset:
    try:
        dataset = dcmread(source, stop_before_pixels=True, force=True, specific_tags=list(_WANTED))
    except PARSE_ERRORS as error:
        raise NotDicomError(f"the bytes are not a DICOM data set ({_reason(error)}); send DICOM instances") from error
    if not dataset:
        raise NotDicomError("the data set is empty or no DICOM: it holds none of the attributes that identify it")
    return dataset


def _reason(error: Exception) -> str:
    # The message of a parse error may quote values, so only its kind is told.
    return "ends too early" if isinstance(error, EOFError) else type(error).__name__


def _raw(dataset: Dataset, keyword: str) -> bytes:
    """Value as it stands in the file; pydicom's own conversion would warn, validate and quote it."""
    tag = tag_for_keyword(keyword)
    element: object = dataset.get_item(tag) if tag is not None and tag in dataset else None
    if isinstance(element, RawDataElement):
        return element.value or b""
    if isinstance(element, DataElement) and element.value is not None:  # pydicom converts the character set at once
        values = [element.value] if isinstance(element.value, str) else list(element.value)
        return "\\".join(str(value) for value in values).encode("utf-8", "replace")
    return b""


def _uid(dataset: Dataset, keyword: str) -> str:
    uid = _raw(dataset, keyword).strip(b"\0 ").decode("ascii", "replace")
    if not uid:
        raise NotDicomError(f"{keyword} is missing: the data set is truncated before it, or is no DICOM instance")
    if not valid_uid(uid):
        raise NotDicomError(f"{keyword} is not a UID of at most 64 digits and dots (PS3.5 9.1)")
    return uid


def _integer(dataset: Dataset, keyword: str) -> int | None:
    """First value of an IS attribute; text that is no whole number counts as absent."""
    text = _raw(dataset, keyword).split(b"\\")[0].strip(b"\0 ")
    try:
        return int(text)
    except ValueError:
        return None


def _size(dataset: Dataset, keyword: str) -> int | None:
    """Value of a US attribute."""
    value = _raw(dataset, keyword)
    _, little_endian = dataset.original_encoding
    if len(value) < 2:
        return None
    return int.from_bytes(value[:2], "big" if little_endian is False else "little")


def _contributing(dataset: Dataset, encodings: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    try:
        items = dataset.get("ContributingEquipmentSequence", None) or ()
        return tuple(
            (
                decode_text(_raw(item, "Manufacturer"), encodings),
                decode_text(_raw(item, "ManufacturerModelName"), encodings),
            )
            for item in items
        )
    except PARSE_ERRORS:
        return ()
