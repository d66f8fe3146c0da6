"""WADO-RS: retrieve instances and their metadata (PS3.18 10.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode import __version__
from dicomnode.archive.held import HeldInstance
from dicomnode.web.dicomweb.addresses import INSTANCE, SERIES, STUDY, ArchiveOf
from dicomnode.web.dicomweb.conditional import caching_headers, has_already, not_modified, ranged_response
from dicomnode.web.dicomweb.files import metadata
from dicomnode.web.dicomweb.found import find, instance_address, tag_of
from dicomnode.web.dicomweb.media import DICOM, DICOM_JSON, accepted, require_json
from dicomnode.web.dicomweb.multipart import Part, StreamedResponse, collected, multipart_response
from dicomnode.web.dicomweb.transfer import InstanceForm, instance_form, instance_part, leave_as_stored, stored_part

READ = ["GET", "HEAD"]


def add_retrieve_routes(router: APIRouter) -> None:
    """Studies, series, instances and their metadata."""
    for level in (STUDY, SERIES, INSTANCE):
        router.add_api_route(level, retrieve, methods=READ)
        router.add_api_route(f"{level}/metadata", retrieve_metadata, methods=READ)


def retrieve(request: Request, archive: ArchiveOf, study_uid: str, series_uid: str = "", sop_uid: str = "") -> Response:
    """The instances of a study, series or instance, in the transfer syntax that the client asks for."""
    found = find(request, archive, study_uid, series_uid, sop_uid)
    form = instance_form(accepted(request), found, bool(sop_uid))
    tag = tag_of(request, found, "bare" if form.is_bare else "parts", form.syntax, __version__)
    if has_already(request, tag):
        return not_modified(request, tag)
    if form.is_bare:
        return ranged_response(request, instance_part(found[0], instance_address(request, found[0]), form), tag)
    return multipart_response(_parts(request, found, form), DICOM, tag, caching_headers(tag))


def retrieve_metadata(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str = "", sop_uid: str = ""
) -> Response:
    """The metadata of every instance of a study, series or instance, read while the answer is on its way."""
    require_json(request)
    found = find(request, archive, study_uid, series_uid, sop_uid)
    tag = tag_of(request, found, "metadata", __version__)
    if has_already(request, tag):
        return not_modified(request, tag)
    body = collected(_metadata_list(request, found))
    return StreamedResponse(body, media_type=DICOM_JSON, headers=caching_headers(tag))


def _parts(request: Request, found: Sequence[HeldInstance], form: InstanceForm) -> Sequence[Part] | Iterator[Part]:
    """A sequence where the length is known beforehand."""
    if leave_as_stored(found, form):
        return [stored_part(record, instance_address(request, record)) for record in found]
    # The first one is made before the answer begins, so that what cannot be decoded is told by status.
    first = instance_part(found[0], instance_address(request, found[0]), form)
    others = (instance_part(record, instance_address(request, record), form) for record in found[1:])
    return chained(first, others)


def chained(first: Part, others: Iterator[Part]) -> Iterator[Part]:
    """One part that is there, and those that follow."""
    yield first
    yield from others


def _metadata_list(request: Request, found: Sequence[HeldInstance]) -> Iterator[bytes]:
    separator = b"["
    for record in found:
        content = metadata(record.instance.path, f"{instance_address(request, record)}/bulkdata")
        yield separator + json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
        separator = b","
    yield b"]"
