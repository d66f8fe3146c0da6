"""What identifies and describes an instance: read from its head, without touching the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dicomnode.dicom.charsets import decode_text, encodings_of
from dicomnode.dicom.raw_head import RawHead, read_raw_head
from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import NotDicomError


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
        scheduled_procedure_step_id: (0040,0009) of the first item of Request Attributes Sequence (0040,0275).
        requested_procedure_id: (0040,1001) of that item.
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
    performed_procedure_step_start_date: str = ""
    performed_procedure_step_start_time: str = ""
    scheduled_procedure_step_id: str = ""
    requested_procedure_id: str = ""
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
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
)
_NUMBERS = ("SeriesNumber", "InstanceNumber", "NumberOfFrames")
_SIZES = ("Rows", "Columns")
_WANTED = ("SpecificCharacterSet", *_UIDS, *_TEXTS, *_NUMBERS, *_SIZES)


def read_header(source: BinaryIO | Path) -> InstanceHeader:
    """Read what identifies and describes an instance, up to its pixels.

    Args:
        source: A DICOM file, or a binary stream at its beginning. Files without preamble or File Meta
            Information are read too.

    Raises:
        NotDicomError: No DICOM instance, or one of the four UIDs is missing or malformed.
        OSError: The file cannot be read.
    """
    head = read_raw_head(source, _WANTED)
    encodings = encodings_of(head.value("SpecificCharacterSet"))

    def decode(value: bytes) -> str:
        # No text holds a NUL (PS3.5 6.1.3) and databases refuse it; the mark keeps two damaged identifiers apart.
        return decode_text(value, encodings).replace("\0", "\ufffd")

    def text(keyword: str) -> str:
        return decode(head.value(keyword))

    return InstanceHeader(
        sop_instance_uid=_uid(head, "SOPInstanceUID"),
        sop_class_uid=_uid(head, "SOPClassUID"),
        series_instance_uid=_uid(head, "SeriesInstanceUID"),
        study_instance_uid=_uid(head, "StudyInstanceUID"),
        transfer_syntax_uid=head.transfer_syntax_uid,
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
        series_number=_integer(head, "SeriesNumber"),
        instance_number=_integer(head, "InstanceNumber"),
        number_of_frames=max(_integer(head, "NumberOfFrames") or 1, 1),
        rows=_size(head, "Rows"),
        columns=_size(head, "Columns"),
        performed_procedure_step_start_date=text("PerformedProcedureStepStartDate"),
        performed_procedure_step_start_time=text("PerformedProcedureStepStartTime"),
        scheduled_procedure_step_id=decode(head.requested[0]),
        requested_procedure_id=decode(head.requested[1]),
        contributing=tuple((decode(maker), decode(model)) for maker, model in head.contributing),
    )


def _uid(head: RawHead, keyword: str) -> str:
    uid = head.value(keyword).strip(b"\0 ").decode("ascii", "replace")
    if not uid:
        raise NotDicomError(f"{keyword} is missing: the data set is truncated before it, or is no DICOM instance")
    if not valid_uid(uid):
        raise NotDicomError(f"{keyword} is not a UID of at most 64 digits and dots (PS3.5 9.1)")
    return uid


def _integer(head: RawHead, keyword: str) -> int | None:
    """First value of an IS attribute; text that is no whole number counts as absent."""
    text = head.value(keyword).split(b"\\")[0].strip(b"\0 ")
    try:
        return int(text)
    except ValueError:
        return None


def _size(head: RawHead, keyword: str) -> int | None:
    """Value of a US attribute."""
    value = head.value(keyword)
    return int.from_bytes(value[:2], "little" if head.little_endian else "big") if len(value) >= 2 else None
