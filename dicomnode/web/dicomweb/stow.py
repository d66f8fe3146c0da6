"""STOW-RS: store instances (PS3.18 10.5). The body is read as it arrives and never held as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

from anyio import CapacityLimiter, fail_after, from_thread, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.intake.stow import StowOutcome, parse_content_type, parse_multipart, store_instances
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
    boundary = _boundary(request)
    body = RequestBody(request, settings.web.maximum_request_bytes, settings.receive.network_timeout_seconds)
    work = partial(_store, archive, body, boundary, _origin(request), study_uid)
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


def _store(archive: Archive, body: RequestBody, boundary: str, origin: Origin, study_uid: str) -> StowOutcome:
    return store_instances(archive, parse_multipart(body, boundary), origin, _now, study_uid or None)


def _boundary(request: Request) -> str:
    media_type, parameters = parse_content_type(request.headers.get("content-type", ""))
    if media_type != MULTIPART or parameters.get("type", DICOM).lower() != DICOM:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f'instances are taken as {MULTIPART}; type="{DICOM}" only'
        )
    return parameters.get("boundary", "")


def _origin(request: Request) -> Origin:
    return Origin(Way.STOW, peer=request.client.host if request.client else "")


def _now() -> datetime:
    return datetime.now(UTC)
