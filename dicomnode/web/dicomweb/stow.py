"""STOW-RS: store instances (PS3.18 10.5). The body is read as it arrives and never held as a whole.

It is a multipart message of files, one file alone, or metadata in JSON with their bulk data.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TypeAlias

from anyio import CapacityLimiter, fail_after, from_thread, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.intake.stow import Part, StowOutcome, parse_content_type, parse_multipart, store_instances
from dicomnode.intake.stow_metadata import store_metadata
from dicomnode.web.dicomweb.addresses import SERVICE, STUDY, ArchiveOf, SettingsOf, check_uids
from dicomnode.web.dicomweb.media import DICOM, DICOM_JSON, MULTIPART, require_json

# Slow senders hold a thread each: these are not the threads that answer searches and health.
_REQUESTS_AT_ONCE = 32
_RETRY_AFTER_SECONDS = "30"


def make_limiter() -> CapacityLimiter:
    """How many store requests are read at once; further ones wait, their bodies unread."""
    return CapacityLimiter(_REQUESTS_AT_ONCE)


def add_store_routes(router: APIRouter) -> None:
    """Store into any study, or into one only."""
    router.add_api_route(f"{SERVICE}/studies", store, methods=["POST"])
    router.add_api_route(STUDY, store, methods=["POST"])


async def store(request: Request, archive: ArchiveOf, settings: SettingsOf, study_uid: str = "") -> Response:
    """Keep what the request holds; the answer says of each instance what became of it."""
    check_uids(*([study_uid] if study_uid else []))
    require_json(request)
    await to_thread.run_sync(archive.space.require)  # 503 before a body is sent in vain
    read = _reader(request)
    body = RequestBody(request, settings.web.maximum_request_bytes, settings.receive.network_timeout_seconds)
    work = partial(read, archive, body, _origin(request), study_uid or None)
    try:
        outcome = await to_thread.run_sync(work, limiter=request.app.state.stow_limiter)
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the request ended early; what came whole is kept") from None
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if outcome.http_status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    address = str(request.base_url).rstrip("/") + SERVICE
    return JSONResponse(outcome.response(address), outcome.http_status, headers, media_type=DICOM_JSON)


class RequestBody:
    """A request's body for code that blocks: iterate in a worker thread."""

    def __init__(self, request: Request, maximum_bytes: int, silence_seconds: float) -> None:
        """Look at the announced length.

        Raises:
            HTTPException: 413 if it is more than ``maximum_bytes``.
        """
        self._chunks: AsyncIterator[bytes] = request.stream().__aiter__()
        self._silence = silence_seconds
        self._left = maximum_bytes
        self._maximum = maximum_bytes
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > maximum_bytes:
            raise self._too_large()

    def __iter__(self) -> Iterator[bytes]:
        while chunk := from_thread.run(self._next):
            self._left -= len(chunk)
            if self._left < 0:
                raise self._too_large()
            yield chunk

    async def _next(self) -> bytes:
        try:
            with fail_after(self._silence):
                async for chunk in self._chunks:
                    if chunk:
                        return chunk
        except TimeoutError:
            raise HTTPException(
                HTTPStatus.REQUEST_TIMEOUT, f"nothing came for {self._silence:g} s; what came whole is kept"
            ) from None
        return b""

    def _too_large(self) -> HTTPException:
        return HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"one request may hold {self._maximum} bytes (web.maximum_request_bytes): send fewer instances at once",
        )


Reader: TypeAlias = Callable[[Archive, RequestBody, Origin, str | None], StowOutcome]


def _reader(request: Request) -> Reader:
    """What reads a body of the request's media type.

    Raises:
        HTTPException: 415.
    """
    media_type, parameters = parse_content_type(request.headers.get("content-type", ""))
    kind, boundary = parameters.get("type", DICOM).lower(), parameters.get("boundary", "")
    if media_type == DICOM:
        return _one_file
    if media_type == MULTIPART and kind == DICOM:
        return partial(_files, boundary)
    if media_type == MULTIPART and kind == DICOM_JSON:
        return partial(_metadata, boundary)
    raise HTTPException(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f'instances are taken as {MULTIPART}; type="{DICOM}", as {MULTIPART}; type="{DICOM_JSON}" with bulk data, '
        f"or one alone as {DICOM}",
    )


def _one_file(archive: Archive, body: RequestBody, origin: Origin, study_uid: str | None) -> StowOutcome:
    return store_instances(archive, [Part({"content-type": DICOM}, iter(body))], origin, _now, study_uid)


def _files(boundary: str, archive: Archive, body: RequestBody, origin: Origin, study_uid: str | None) -> StowOutcome:
    return store_instances(archive, parse_multipart(body, boundary), origin, _now, study_uid)


def _metadata(boundary: str, archive: Archive, body: RequestBody, origin: Origin, study_uid: str | None) -> StowOutcome:
    return store_metadata(archive, parse_multipart(body, boundary), origin, _now, study_uid)


def _origin(request: Request) -> Origin:
    return Origin(Way.STOW, peer=request.client.host if request.client else "")


def _now() -> datetime:
    return datetime.now(UTC)
