"""WADO-RS: retrieve frames, pixel data and other bulk data (PS3.18 10.4.1.1.4 to 10.4.1.1.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode import __version__
from dicomnode.archive.held import HeldInstance
from dicomnode.errors import NotFoundError, UsageError
from dicomnode.web.dicomweb.addresses import INSTANCE, SERIES, STUDY, ArchiveOf
from dicomnode.web.dicomweb.conditional import (
    asked_of,
    caching_headers,
    has_already,
    not_modified,
    range_headers,
    ranged_response,
    status_of,
)
from dicomnode.web.dicomweb.files import bulk_elements, bulk_value
from dicomnode.web.dicomweb.found import find, instance_address, tag_of
from dicomnode.web.dicomweb.frame_form import FrameForm, frame_form
from dicomnode.web.dicomweb.frames import StoredFrames, stored_frames
from dicomnode.web.dicomweb.media import MULTIPART, OCTET_STREAM, accepted, not_acceptable
from dicomnode.web.dicomweb.multipart import Part, multipart_response
from dicomnode.web.dicomweb.wado import READ, chained

_PIXEL_DATA = "7FE00010"
_BYTES = frozenset((OCTET_STREAM, "application/*", "*/*"))


def add_pixel_routes(router: APIRouter) -> None:
    """Frames by number, and everything that metadata leave out."""
    router.add_api_route(f"{INSTANCE}/frames/{{numbers}}", retrieve_frames, methods=READ)
    for level in (STUDY, SERIES, INSTANCE):
        router.add_api_route(f"{level}/pixeldata", retrieve_pixel_data, methods=READ)
        router.add_api_route(f"{level}/bulkdata", retrieve_all_bulk_data, methods=READ)
    router.add_api_route(f"{INSTANCE}/bulkdata/{{element:path}}", retrieve_bulk_data, methods=READ)


def retrieve_frames(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str, sop_uid: str, numbers: str
) -> Response:
    """Frames by number, counted from 1 and separated by commas."""
    (held,) = find(request, archive, study_uid, series_uid, sop_uid)
    frames = stored_frames(held.instance.path)
    return _frames_response(request, held, frames, frame_indices(numbers, frames.count))


def retrieve_pixel_data(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str = "", sop_uid: str = ""
) -> Response:
    """All frames of every image of a study, series or instance."""
    images = [held for held in find(request, archive, study_uid, series_uid, sop_uid) if held.has_pixels]
    if not images:
        raise NotFoundError("nothing here holds pixel data")
    form = frame_form(accepted(request), stored_frames(images[0].instance.path))
    tag = tag_of(request, images, "pixeldata", form.content_type, __version__)
    if has_already(request, tag):
        return not_modified(request, tag)
    parts = (part for held in images for part in _pixel_parts(request, held))
    return multipart_response(chained(next(parts), parts), form.media_type, tag, caching_headers(tag))


def retrieve_all_bulk_data(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str = "", sop_uid: str = ""
) -> Response:
    """The value of every element that the metadata of a study, series or instance name by BulkDataURI."""
    found = find(request, archive, study_uid, series_uid, sop_uid)
    if not any(item.part in _BYTES for item in accepted(request)):
        raise not_acceptable(f"all bulk data at once come as {MULTIPART} of {OCTET_STREAM} only")
    tag = tag_of(request, found, "all bulk data", __version__)
    if has_already(request, tag):
        return not_modified(request, tag)
    parts = (part for held in found for part in _bulk_parts(request, held))
    first = next(parts, None)
    if first is None:
        raise NotFoundError("nothing here holds bulk data")
    return multipart_response(chained(first, parts), OCTET_STREAM, tag, caching_headers(tag))


def retrieve_bulk_data(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str, sop_uid: str, element: str
) -> Response:
    """The value of one element that the metadata names by BulkDataURI, or the range of bytes asked for."""
    (held,) = find(request, archive, study_uid, series_uid, sop_uid)
    location = f"{instance_address(request, held)}/bulkdata/{element}"
    if element == _PIXEL_DATA:
        frames = stored_frames(held.instance.path)
        pixels = frames.native_pixels()
        if pixels is None:
            return _frames_response(request, held, frames, range(frames.count))
        part = Part(OCTET_STREAM, location, pixels)
    else:
        part = Part(OCTET_STREAM, location, bulk_value(held.instance.path, element))
    return _bulk_response(request, held, part)


def _bulk_response(request: Request, held: HeldInstance, part: Part) -> Response:
    fitting = [item for item in accepted(request) if item.part in _BYTES]
    if not fitting:
        raise not_acceptable(f"this value comes as {OCTET_STREAM} only")
    is_bare = fitting[0].name != MULTIPART
    tag = tag_of(request, [held], part.location, "bare" if is_bare else "parts")
    if has_already(request, tag):
        return not_modified(request, tag)
    if is_bare:
        return ranged_response(request, part, tag)
    sent = asked_of(request, part, tag)
    return multipart_response([sent], OCTET_STREAM, tag, range_headers(tag), status_of(sent))


def frame_indices(numbers: str, count: int) -> list[int]:
    """Frames that an address names, counted from 0.

    Raises:
        UsageError: The list is none.
        NotFoundError: There is no such frame.
    """
    listed = numbers.split(",")
    if not all(number.isascii() and number.isdigit() and 0 < len(number) < 10 for number in listed):
        raise UsageError("frame numbers are whole numbers from 1, separated by commas")
    indices = [int(number) - 1 for number in listed]
    outside = [index + 1 for index in indices if not 0 <= index < count]
    if outside:
        raise NotFoundError(f"there is no frame {outside[0]}: the instance has {count}")
    return indices


def _frames_response(request: Request, held: HeldInstance, frames: StoredFrames, indices: Sequence[int]) -> Response:
    form = frame_form(accepted(request), frames)
    numbers = ",".join(map(str, indices))
    tag = tag_of(request, [held], "frames", numbers, form.content_type, str(form.is_bare), __version__)
    if has_already(request, tag):
        return not_modified(request, tag)
    parts = _frame_parts(request, held, frames, form, indices)
    # The first frame is read before the answer begins, so that what cannot be decoded is told by status.
    first = next(parts)
    if form.is_bare and len(indices) == 1:
        return ranged_response(request, first, tag)
    content = [first] if len(indices) == 1 else chained(first, parts)
    return multipart_response(content, form.media_type, tag, caching_headers(tag))


def _frame_parts(
    request: Request, held: HeldInstance, frames: StoredFrames, form: FrameForm, indices: Iterable[int]
) -> Iterator[Part]:
    url = instance_address(request, held)
    for index in indices:
        yield Part(form.content_type, f"{url}/frames/{index + 1}", form.read(frames, index))


def _pixel_parts(request: Request, held: HeldInstance) -> Iterator[Part]:
    frames = stored_frames(held.instance.path)
    yield from _frame_parts(request, held, frames, frame_form(accepted(request), frames), range(frames.count))


def _bulk_parts(request: Request, held: HeldInstance) -> Iterator[Part]:
    url = instance_address(request, held)
    for element in bulk_elements(held.instance.path):
        location = f"{url}/bulkdata/{element}"
        if element != _PIXEL_DATA:
            yield Part(OCTET_STREAM, location, bulk_value(held.instance.path, element))
            continue
        frames = stored_frames(held.instance.path)
        pixels = frames.native_pixels()
        if pixels is not None:
            yield Part(OCTET_STREAM, location, pixels)
            continue
        for index in range(frames.count):
            yield Part(OCTET_STREAM, f"{url}/frames/{index + 1}", frames.plain(index))
