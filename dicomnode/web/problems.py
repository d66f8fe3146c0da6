"""Errors as RFC 9457 problem documents, and which HTTP status each error of the node becomes."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomnode.errors import (
    AccessError,
    ArchiveError,
    ArchiveFullError,
    BusyError,
    ConflictError,
    DicomNodeError,
    IdentityError,
    InputError,
    NotFoundError,
    PeerError,
    PixelError,
    PredictionTimeError,
    SignInError,
    StateError,
    TooManyTriesError,
    UsageError,
    describe,
)

_LOG = logging.getLogger(__name__)
_RETRY_AFTER_SECONDS = "30"

# The first class that an error is an instance of decides.
_STATUS: tuple[tuple[type[DicomNodeError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (ConflictError, HTTPStatus.CONFLICT),
    (IdentityError, HTTPStatus.CONFLICT),
    (StateError, HTTPStatus.CONFLICT),
    (PixelError, HTTPStatus.NOT_ACCEPTABLE),
    (InputError, HTTPStatus.BAD_REQUEST),
    (SignInError, HTTPStatus.UNAUTHORIZED),
    (TooManyTriesError, HTTPStatus.TOO_MANY_REQUESTS),
    (AccessError, HTTPStatus.FORBIDDEN),
    (BusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (PredictionTimeError, HTTPStatus.GATEWAY_TIMEOUT),
    (ArchiveFullError, HTTPStatus.SERVICE_UNAVAILABLE),
    (ArchiveError, HTTPStatus.SERVICE_UNAVAILABLE),
    (PeerError, HTTPStatus.BAD_GATEWAY),
)


def status_of(error: DicomNodeError) -> HTTPStatus:
    """The HTTP status that an error of the node answers with."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem document (RFC 9457); 503 always says when to come again."""
    sent = dict(headers or {})
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        sent.setdefault("Retry-After", _RETRY_AFTER_SECONDS)
    content = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return JSONResponse(content, status.value, sent, media_type="application/problem+json")


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    app.add_exception_handler(DicomNodeError, _node_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_middleware(LastResort)


async def _node_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DicomNodeError)  # noqa: S101 - registered for this class only
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("request failed: %s", describe(error))
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, TooManyTriesError) else {}
    return problem(status, str(error), headers)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    return problem(HTTPStatus(error.status_code), str(error.detail), dict(error.headers or {}))


async def _invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    wrong = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
    return problem(HTTPStatus.BAD_REQUEST, wrong)


class LastResort:
    """ASGI middleware for errors that nobody expected.

    The message and traceback of a foreign error may quote a data set: client and log are told its class
    and place only.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer 500 if it fails, or cut off an answer that has begun."""
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001  the last place before the server's own
            _LOG.error("request failed: %s", describe(error))
            if began:
                raise DicomNodeError("an answer was cut off; the line above says why") from None
            await problem(HTTPStatus.INTERNAL_SERVER_ERROR, describe(error))(scope, receive, send)
