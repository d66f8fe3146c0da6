"""WADO-RS: rendered images and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.5), with the window that the image proposes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode import __version__
from dicomnode.archive.held import HeldInstance
from dicomnode.dicom.rendering import Rendering, moving_picture, picture_file, read_image_head, render_frame
from dicomnode.errors import NotFoundError, PixelError
from dicomnode.web.dicomweb.addresses import INSTANCE, SERIES, STUDY, ArchiveOf
from dicomnode.web.dicomweb.conditional import caching_headers, has_already, not_modified
from dicomnode.web.dicomweb.found import find, instance_address, tag_of
from dicomnode.web.dicomweb.media import MULTIPART, accepted, not_acceptable
from dicomnode.web.dicomweb.multipart import Part, multipart_response, single_response
from dicomnode.web.dicomweb.pixels import frame_indices
from dicomnode.web.dicomweb.rendered_documents import rendered_document
from dicomnode.web.dicomweb.rendering_parameters import rendering_of, warning_headers
from dicomnode.web.dicomweb.wado import READ, chained

_LOG = logging.getLogger(__name__)
_JPEG, _GIF = "image/jpeg", "image/gif"
_MEDIA_TYPES = (_JPEG, "image/png", _GIF)
FRAMES = f"{INSTANCE}/frames/{{numbers}}"


def add_rendered_routes(router: APIRouter) -> None:
    """Pictures of a study, series, instance or of frames."""
    for level in (STUDY, SERIES, INSTANCE, FRAMES):
        router.add_api_route(f"{level}/rendered", retrieve_rendered, methods=READ)
        router.add_api_route(f"{level}/thumbnail", retrieve_thumbnail, methods=READ)


def retrieve_rendered(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str = "", sop_uid: str = "", numbers: str = ""
) -> Response:
    """Pictures: one bare, or of several images or frames a part each; of a document its words."""
    found = find(request, archive, study_uid, series_uid, sop_uid)
    if sop_uid and not numbers and not found[0].has_pixels:
        return rendered_document(request, found[0])
    images = _images(found)
    media_type, in_parts = _form(request, bool(sop_uid))
    rendering = rendering_of(request)
    indices = frame_indices(numbers, images[0].instance.number_of_frames) if numbers else None
    tag = tag_of(request, images, "rendered", media_type, str(in_parts), numbers, _words(rendering), __version__)
    if has_already(request, tag):
        return not_modified(request, tag)
    headers = {**caching_headers(tag), **warning_headers(request)}
    if not in_parts:
        part = _picture(request, images[0], indices, media_type, rendering)
        return single_response(part, headers)
    parts = _parts(request, images, indices, media_type, rendering)
    first = next(parts, None)
    if first is None:
        raise not_acceptable("none of these images can be rendered; retrieve them as application/dicom")
    return multipart_response(chained(first, parts), media_type, tag, headers)


def retrieve_thumbnail(
    request: Request, archive: ArchiveOf, study_uid: str, series_uid: str = "", sop_uid: str = "", numbers: str = ""
) -> Response:
    """A small picture that stands for a study, series, instance or frame: the middle of what it is made of."""
    held = _representative(_images(find(request, archive, study_uid, series_uid, sop_uid)))
    media_type, _ = _form(request, True)
    count = held.instance.number_of_frames
    index = frame_indices(numbers, count)[0] if numbers else count // 2
    rendering = rendering_of(request, is_thumbnail=True)
    tag = tag_of(request, [held], "thumbnail", media_type, str(index), _words(rendering), __version__)
    if has_already(request, tag):
        return not_modified(request, tag)
    part = _still(request, held, index, media_type, rendering)
    return single_response(part, {**caching_headers(tag), **warning_headers(request)})


def _images(found: Sequence[HeldInstance]) -> list[HeldInstance]:
    images = [held for held in found if held.has_pixels]
    if not images:
        raise NotFoundError("nothing here is an image, thus nothing can be rendered")
    return images


def _representative(images: Sequence[HeldInstance]) -> HeldInstance:
    """The middle of the largest series, one from a modality if there is any."""
    candidates = [held for held in images if held.is_source] or list(images)
    series: dict[str, list[HeldInstance]] = {}
    for held in candidates:
        series.setdefault(held.instance.series_instance_uid, []).append(held)
    largest = max(series.values(), key=len)
    return largest[len(largest) // 2]


def _form(request: Request, is_one: bool) -> tuple[str, bool]:
    """Media type, and whether the answer is multipart (PS3.18 8.7.4)."""
    for wanted in accepted(request):
        media_type = _JPEG if wanted.part in ("image/*", "*/*") else wanted.part
        if media_type in _MEDIA_TYPES:
            return media_type, not is_one or (wanted.name == MULTIPART)
    raise not_acceptable(f"pictures come as {', '.join(_MEDIA_TYPES)}, one alone or several in {MULTIPART}")


def _picture(
    request: Request, held: HeldInstance, indices: list[int] | None, media_type: str, rendering: Rendering
) -> Part:
    """One picture: a moving one of several frames if it is a GIF, else the first frame."""
    shown = list(range(held.instance.number_of_frames)) if indices is None else indices
    if media_type == _GIF and len(shown) > 1:
        head = read_image_head(held.instance.path)
        content = moving_picture(held.instance.path, head, shown, rendering)
        return Part(_GIF, f"{instance_address(request, held)}/rendered", content)
    return _still(request, held, shown[0], media_type, rendering)


def _still(request: Request, held: HeldInstance, index: int, media_type: str, rendering: Rendering) -> Part:
    path = held.instance.path
    picture = render_frame(path, read_image_head(path), index, rendering)
    location = f"{instance_address(request, held)}/frames/{index + 1}/rendered"
    return Part(media_type, location, picture_file(picture, media_type, rendering.quality))


def _parts(
    request: Request,
    images: Sequence[HeldInstance],
    indices: list[int] | None,
    media_type: str,
    rendering: Rendering,
) -> Iterator[Part]:
    """Every frame that can be shown; what cannot be decoded is left out of a study's pictures."""
    for held in images:
        for index in range(held.instance.number_of_frames) if indices is None else indices:
            try:
                yield _still(request, held, index, media_type, rendering)
            except PixelError as error:
                _LOG.warning("left out of a rendered answer: %s", error)


def _words(rendering: Rendering) -> str:
    return json.dumps(asdict(rendering))
