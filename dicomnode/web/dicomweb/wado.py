"""WADO-RS: retrieve instances, metadata, frames and bulk data (PS3.18 10.4).

Instances leave as they came, byte for byte: nothing is transcoded, so a client that insists on
another transfer syntax is told 406. Frames can be had decoded besides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import InstanceRecord, QidoQuery
from dicomnode.errors import NotFoundError, UsageError
from dicomnode.web.auditing import note_access
from dicomnode.web.dicomweb.addresses import INSTANCE, SERIES, STUDY, ArchiveOf, address, check_uids
from dicomnode.web.dicomweb.files import bulk_value, metadata
from dicomnode.web.dicomweb.frames import StoredFrames, frame_content_type, stored_frames
from dicomnode.web.dicomweb.media import (
    DICOM,
    DICOM_JSON,
    MULTIPART,
    OCTET_STREAM,
    MediaRange,
    accepted,
    not_acceptable,
    require_json,
)
from dicomnode.web.dicomweb.multipart import Part, multipart_response, single_response

_PIXEL_DATA = "7FE00010"


def add_retrieve_routes(router: APIRouter) -> None:
    """Studies, series, instances, their metadata, frames and bulk data."""
    for level in (STUDY, SERIES, INSTANCE):
        router.add_api_route(level, retrieve, methods=["GET"])
        router.add_api_route(f"{level}/metadata", retrieve_metadata, methods=["GET"])
    router.add_api_route(f"{INSTANCE}/frames/{{numbers}}", retrieve_frames, methods=["GET"])
    router.add_api_route(f"{INSTANCE}/bulkdata/{{element:path}}", retrieve_bulk_data, methods=["GET"])


def retrieve(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str = "", sop_uid: str = ""
) -> StreamingResponse:
    """The stored files of a study, series or instance."""
    found = _found(request, archive, study_uid, series_uid, sop_uid)
    ranges = [item for item in accepted(request) if item.part in (DICOM, "application/*", "*/*")]
    if not any(_takes_stored(item, found) for item in ranges):
        raise not_acceptable(f"instances come as {DICOM} in the transfer syntax that they are stored in")
    parts = (_instance_part(request, record) for record in found)
    if ranges[0].name == DICOM and sop_uid:
        return single_response(next(parts))
    return multipart_response(parts, DICOM)


def retrieve_metadata(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str = "", sop_uid: str = ""
) -> StreamingResponse:
    """The metadata of every instance of a study, series or instance, read while the answer is on its way."""
    require_json(request)
    found = _found(request, archive, study_uid, series_uid, sop_uid)
    return StreamingResponse(_metadata_list(request, found), media_type=DICOM_JSON)


def retrieve_frames(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str, sop_uid: str, numbers: str
) -> StreamingResponse:
    """Frames by number, counted from 1 and separated by commas."""
    (record,) = _found(request, archive, study_uid, series_uid, sop_uid)
    frames = stored_frames(record.instance.path)
    indices = _frame_indices(numbers, frames)
    best, as_stored = _frame_form(accepted(request), frames)
    content_type = frame_content_type(frames, as_stored)
    read = frames.stored if as_stored else frames.plain
    url = _instance_address(request, record)
    # The first frame is read before the answer begins, so that what cannot be decoded is told by status.
    first = Part(content_type, f"{url}/frames/{indices[0] + 1}", read(indices[0]))
    if best.name != MULTIPART and best.name != "*/*" and len(indices) == 1:
        return single_response(first)
    others = (Part(content_type, f"{url}/frames/{index + 1}", read(index)) for index in indices[1:])
    return multipart_response(_chained(first, others), content_type.partition(";")[0])


def retrieve_bulk_data(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str, sop_uid: str, element: str
) -> Response:
    """The value of one element that the metadata names by BulkDataURI."""
    (record,) = _found(request, archive, study_uid, series_uid, sop_uid)
    if element == _PIXEL_DATA:
        frames = stored_frames(record.instance.path)
        if frames.is_compressed:
            numbers = ",".join(str(number + 1) for number in range(frames.count))
            return retrieve_frames(request, archive, study_uid, series_uid, sop_uid, numbers)
    value = bulk_value(record.instance.path, element)
    part = Part(OCTET_STREAM, f"{_instance_address(request, record)}/bulkdata/{element}", value)
    if accepted(request)[0].name == MULTIPART:
        return multipart_response([part], OCTET_STREAM)
    return single_response(part)


def _found(request: Request, archive: Archive, study_uid: str, series_uid: str, sop_uid: str) -> list[InstanceRecord]:
    keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": sop_uid}
    match = tuple((keyword, uid) for keyword, uid in keys.items() if uid)
    check_uids(*(uid for _, uid in match))
    found = archive.studies.search_instances(QidoQuery(match=match))
    if not found:
        raise NotFoundError("no such study, series or instance here; look it up by QIDO-RS")
    note_access(request, archive, study_uid)
    return found


def _takes_stored(wanted: MediaRange, found: Sequence[InstanceRecord]) -> bool:
    syntax = wanted.parameter("transfer-syntax")
    return syntax in (None, "*") or all(record.instance.transfer_syntax_uid == syntax for record in found)


def _instance_part(request: Request, record: InstanceRecord) -> Part:
    content_type = f"{DICOM}; transfer-syntax={record.instance.transfer_syntax_uid}"
    return Part(content_type, _instance_address(request, record), record.instance.path)


def _instance_address(request: Request, record: InstanceRecord) -> str:
    instance = record.instance
    return address(request, instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)


def _metadata_list(request: Request, found: Sequence[InstanceRecord]) -> Iterator[bytes]:
    separator = b"["
    for record in found:
        content = metadata(record.instance.path, f"{_instance_address(request, record)}/bulkdata")
        yield separator + json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
        separator = b","
    yield b"]"


def _frame_indices(numbers: str, frames: StoredFrames) -> list[int]:
    listed = numbers.split(",")
    if not all(number.isascii() and number.isdigit() and 0 < len(number) < 10 for number in listed):
        raise UsageError("frame numbers are whole numbers from 1, separated by commas")
    indices = [int(number) - 1 for number in listed]
    outside = [index + 1 for index in indices if not 0 <= index < frames.count]
    if outside:
        raise NotFoundError(f"there is no frame {outside[0]}: the instance has {frames.count}")
    return indices


def _frame_form(ranges: Sequence[MediaRange], frames: StoredFrames) -> tuple[MediaRange, bool]:
    """The range that is served, and whether by frames as stored (else decoded, PS3.18 8.7.3.3)."""
    for wanted in ranges:
        syntax = wanted.parameter("transfer-syntax")
        stored = syntax in (None, "*", str(frames.transfer_syntax_uid))
        if wanted.part in (frames.media_type, "*/*", "image/*") and frames.is_compressed and stored:
            return wanted, True
        if wanted.part in (OCTET_STREAM, "application/*", "*/*"):
            if frames.is_compressed and syntax in ("*", str(frames.transfer_syntax_uid)):
                return wanted, True
            if syntax in (None, "*", str(ExplicitVRLittleEndian)):
                return wanted, not frames.is_compressed
    raise not_acceptable(f"frames of this instance come as {OCTET_STREAM} or, as stored, as {frames.media_type}")


def _chained(first: Part, others: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from others
