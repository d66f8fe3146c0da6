"""STOW-RS of metadata and bulk data (PS3.18 10.5.1.1, 8.7.3.3.2): JSON first, then what it names by BulkDataURI.

Bulk data wait on the disk until they are all here; one instance at a time is put together in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin
from dicomnode.dicom.decoding import DECODE_ERRORS
from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import InputError, NotDicomError
from dicomnode.intake.sending import Sending
from dicomnode.intake.stow import (
    FailedInstance,
    MultipartError,
    OneByOne,
    Part,
    StoredInstance,
    StowOutcome,
    outcome_of,
    parse_content_type,
    refusal,
)

DICOM_JSON = "application/dicom+json"
_MOST_JSON_BYTES = 256 * 1024 * 1024
_PIXEL_DATA, _CHARACTER_SET, _AVAILABLE = "7FE00010", "00080005", "00083002"
_COERCED = 0xB000
"""Coercion of data elements (PS3.18 Table I.2-2)."""
# Transfer syntax of pixel data whose Content-Type names none: the defaults of PS3.18 Table 8.7.3-5.
_DEFAULTS = {
    "image/jpeg": JPEGLosslessSV1,
    "image/jls": JPEGLSLossless,
    "image/jp2": JPEG2000Lossless,
    "image/dicom-rle": RLELossless,
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Bulk:
    """A value that came in a part of its own.

    Attributes:
        path: Holds it.
        content_type: Of the part.
    """

    path: Path
    content_type: str

    def transfer_syntax(self) -> UID:
        """What pixels in it are encoded in."""
        media_type, parameters = parse_content_type(self.content_type)
        named = parameters.get("transfer-syntax", "")
        return UID(named) if valid_uid(named) else UID(_DEFAULTS.get(media_type, ExplicitVRLittleEndian))


def store_metadata(
    archive: Archive,
    parts: Iterable[Part],
    origin: Origin,
    clock: Callable[[], datetime],
    study_instance_uid: str | None = None,
) -> StowOutcome:
    """Keep the instances that metadata and bulk data of a request make; arguments and errors as `store_instances`.

    Raises:
        InputError: The metadata are no list of data sets in JSON.
    """
    with ExitStack() as spooled:
        documents, bulk = _read(archive, parts, spooled)
        with Sending(archive, clock) as sending:
            one = OneByOne(archive, sending, origin, clock, study_instance_uid)
            return outcome_of([_keep(one, document, bulk) for document in documents])


def _read(archive: Archive, parts: Iterable[Part], spooled: ExitStack) -> tuple[list[Json], dict[str, list[_Bulk]]]:
    """All parts: metadata in memory, bulk data on the disk by their location; several of one are frames in turn."""
    documents: list[Json] = []
    bulk: dict[str, list[_Bulk]] = {}
    for part in parts:
        if part.media_type == DICOM_JSON:
            documents += _documents(part.content)
            continue
        staged = spooled.enter_context(archive.instances.new_file())
        for piece in part.content:
            staged.write(piece)
        staged.close()
        value = _Bulk(staged.path, part.headers.get("content-type", ""))
        bulk.setdefault(part.headers.get("content-location", ""), []).append(value)
    return documents, bulk


def _documents(pieces: Iterable[bytes]) -> list[Json]:
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > _MOST_JSON_BYTES:
            raise InputError(f"metadata of more than {_MOST_JSON_BYTES} bytes: send fewer instances at once")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MultipartError("the metadata are not JSON (PS3.18 Annex F)") from error
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(item, dict) for item in listed):
        raise MultipartError("the metadata are no list of data sets (PS3.18 Annex F)")
    return listed


def _keep(one: OneByOne, document: Json, bulk: Mapping[str, list[_Bulk]]) -> StoredInstance | FailedInstance:
    try:
        content = _file(document, bulk)
    except InputError as error:
        answer = refusal(error)
        sop_class, sop_instance = _text(document, "00080016"), _text(document, "00080018")
        named = (sop_class, sop_instance) if valid_uid(sop_class) and valid_uid(sop_instance) else (None, None)
        return FailedInstance(named[0], named[1], answer.failure_reason, answer.transient, answer.comment)
    outcome = one.keep([content])
    is_changed = _text(document, _CHARACTER_SET) not in ("", "ISO_IR 192")
    return replace(outcome, warning=_COERCED) if is_changed and isinstance(outcome, StoredInstance) else outcome


def _file(document: Json, bulk: Mapping[str, list[_Bulk]]) -> bytes:
    """One instance as a file (PS3.10).

    Raises:
        NotDicomError: The metadata cannot be read, or a part that they name is missing.
    """
    described = {key: element for key, element in document.items() if not key.startswith("0002")}
    pixels = described.pop(_PIXEL_DATA, None)
    described.pop(_AVAILABLE, None)
    try:
        dataset = Dataset.from_json(described, lambda _tag, _vr, uri: _value(uri, bulk))
        dataset.SpecificCharacterSet = "ISO_IR 192"  # that is what JSON is in
        syntax = _add_pixels(dataset, pixels, bulk) if pixels else ExplicitVRLittleEndian
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        buffer = BytesIO()
        dcmwrite(buffer, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, enforce_file_format=True)
    except DECODE_ERRORS as error:
        raise NotDicomError("the metadata of an instance cannot be read as DICOM JSON (PS3.18 Annex F)") from error
    return buffer.getvalue()


def _add_pixels(dataset: Dataset, element: Json, bulk: Mapping[str, list[_Bulk]]) -> UID:
    """Give a data set its pixels; tells what they are encoded in."""
    if "InlineBinary" in element:
        dataset.update(Dataset.from_json({_PIXEL_DATA: element}))
        return ExplicitVRLittleEndian
    frames = _parts(element.get("BulkDataURI"), bulk)
    syntax = frames[0].transfer_syntax()
    contents = [frame.path.read_bytes() for frame in frames]
    if syntax.is_encapsulated:
        dataset.PixelData = encapsulate(contents)
        dataset["PixelData"].VR = "OB"
        return syntax
    pixels = b"".join(contents)
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated <= 8 else "OW"
    return ExplicitVRLittleEndian


def _value(uri: str | None, bulk: Mapping[str, list[_Bulk]]) -> bytes:
    return b"".join(part.path.read_bytes() for part in _parts(uri, bulk))


def _parts(uri: object, bulk: Mapping[str, list[_Bulk]]) -> list[_Bulk]:
    found = bulk.get(str(uri))
    if not uri or not found:
        raise NotDicomError("the metadata name bulk data that no part of the request has as its Content-Location")
    return found


def _text(document: Json, key: str) -> str:
    """First value of an attribute, empty if there is none."""
    return next(_values(document.get(key)), "")


def _values(element: object) -> Iterator[str]:
    values = element.get("Value") if isinstance(element, dict) else None
    yield from (str(value) for value in values or () if value is not None) if isinstance(values, list) else ()
