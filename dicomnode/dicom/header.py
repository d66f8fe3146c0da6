"""What identifies and describes an instance: read from its head, without touching the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.charsets import decode_text, encodings_of
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.dicom.raw_head import RawHead, read_raw_head, scan_raw_head
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


_CHARACTER_SET = 0x00080005
_UIDS = {
    "sop_instance_uid": 0x00080018,
    "sop_class_uid": 0x00080016,
    "series_instance_uid": 0x0020000E,
    "study_instance_uid": 0x0020000D,
}
_TEXTS = {
    "modality": 0x00080060,
    "patient_id": 0x00100020,
    "patient_name": 0x00100010,
    "patient_birth_date": 0x00100030,
    "patient_sex": 0x00100040,
    "issuer_of_patient_id": 0x00100021,
    "accession_number": 0x00080050,
    "study_id": 0x00200010,
    "study_date": 0x00080020,
    "study_time": 0x00080030,
    "study_description": 0x00081030,
    "referring_physician_name": 0x00080090,
    "series_description": 0x0008103E,
    "series_date": 0x00080021,
    "series_time": 0x00080031,
    "body_part_examined": 0x00180015,
    "manufacturer_model_name": 0x00081090,
    "performed_procedure_step_start_date": 0x00400244,
    "performed_procedure_step_start_time": 0x00400245,
}
_SERIES_NUMBER, _INSTANCE_NUMBER, _NUMBER_OF_FRAMES = _NUMBERS = (0x00200011, 0x00200013, 0x00280008)
_ROWS, _COLUMNS = _SIZES = (0x00280010, 0x00280011)
_WANTED = frozenset((_CHARACTER_SET, *_UIDS.values(), *_TEXTS.values(), *_NUMBERS, *_SIZES))
_FIRST_BYTES = 262144
"""No more than `read_header` walks, so that both find the same."""


def read_header(source: BinaryIO | Path) -> InstanceHeader:
    """Read what identifies and describes an instance, up to its pixels.

    Args:
        source: A DICOM file, or a binary stream at its beginning. Files without preamble or File Meta
            Information are read too.

    Raises:
        NotDicomError: No DICOM instance, or one of the four UIDs is missing or malformed.
        OSError: The file cannot be read.
    """
    return _header(read_raw_head(source, _WANTED))


def scan_header(data: memoryview, transfer_syntax_uid: str) -> InstanceHeader:
    """As `read_header`, of a data set in memory that came without File Meta Information, as over the network.

    Args:
        data: All bytes of the data set.
        transfer_syntax_uid: That they are in.

    Raises:
        NotDicomError: As `read_header`.
    """
    header = scan_first_bytes(data, transfer_syntax_uid, whole=True)
    if header is not None:
        return header
    return read_header(BytesIO(part10_preamble("", "", transfer_syntax_uid, "") + data))


def scan_first_bytes(data: memoryview, transfer_syntax_uid: str, *, whole: bool = False) -> InstanceHeader | None:
    """As `scan_header`, of a data set of which perhaps only the beginning is there.

    Args:
        data: The first bytes of a data set.
        transfer_syntax_uid: That it is in.
        whole: Whether there are no more.

    Returns:
        None: more bytes are needed, or the data set is unusual and `read_header` must be asked.

    Raises:
        NotDicomError: As `read_header`.
    """
    is_whole = whole and len(data) <= _FIRST_BYTES
    head = scan_raw_head(data[:_FIRST_BYTES], transfer_syntax_uid, _WANTED, whole=is_whole)
    return None if head is None else _header(head)


def _header(head: RawHead) -> InstanceHeader:
    value = head.value
    encodings = encodings_of(value(_CHARACTER_SET))

    def decode(value: bytes) -> str:
        # No text holds a NUL (PS3.5 6.1.3) and databases refuse it; the mark keeps two damaged identifiers apart.
        return decode_text(value, encodings).replace("\0", "\ufffd")

    return InstanceHeader(
        **{name: _uid(value(tag), tag) for name, tag in _UIDS.items()},
        **{name: decode(head.values[tag]) for name, tag in _TEXTS.items() if tag in head.values},
        transfer_syntax_uid=head.transfer_syntax_uid,
        series_number=_integer(value(_SERIES_NUMBER)),
        instance_number=_integer(value(_INSTANCE_NUMBER)),
        number_of_frames=max(_integer(value(_NUMBER_OF_FRAMES)) or 1, 1),
        rows=_size(value(_ROWS), head.little_endian),
        columns=_size(value(_COLUMNS), head.little_endian),
        scheduled_procedure_step_id=decode(head.requested[0]),
        requested_procedure_id=decode(head.requested[1]),
        contributing=tuple((decode(maker), decode(model)) for maker, model in head.contributing),
    )


def _uid(value: bytes, tag: int) -> str:
    uid = value.strip(b"\0 ").decode("ascii", "replace")
    if not uid:
        keyword = keyword_for_tag(tag)
        raise NotDicomError(f"{keyword} is missing: the data set is truncated before it, or is no DICOM instance")
    if not valid_uid(uid):
        raise NotDicomError(f"{keyword_for_tag(tag)} is not a UID of at most 64 digits and dots (PS3.5 9.1)")
    return uid


def _integer(value: bytes) -> int | None:
    """First value of an IS attribute; text that is no whole number counts as absent."""
    try:
        return int(value.split(b"\\")[0].strip(b"\0 "))
    except ValueError:
        return None


def _size(value: bytes, little_endian: bool) -> int | None:
    """Value of a US attribute."""
    return int.from_bytes(value[:2], "little" if little_endian else "big") if len(value) >= 2 else None
