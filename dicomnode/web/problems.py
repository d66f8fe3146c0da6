"""Errors as RFC 9457 problem documents, and which HTTP status each error of the node becomes."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from dicomnode.errors import (
    ArchiveError,
    ArchiveFullError,
    ConflictError,
    DicomNodeError,
    IdentityError,
    InputError,
    NotFoundError,
    PixelError,
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
    (PixelError, HTTPStatus.NOT_ACCEPTABLE),
    (InputError, HTTPStatus.BAD_REQUEST),
    (ArchiveFullError, HTTPStatus.SERVICE_UNAVAILABLE),
    (ArchiveError, HTTPStatus.SERVICE_UNAVAILABLE),
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
    app.add_exception_handler(Exception, _unexpected)


async def _node_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DicomNodeError)  # noqa: S101 - registered for this class only
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("request failed: %s", describe(error))
    return problem(status, str(error))


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    return problem(HTTPStatus(error.status_code), str(error.detail), dict(error.headers or {}))


async def _invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    wrong = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
    return problem(HTTPStatus.BAD_REQUEST, wrong)


async def _unexpected(_request: Request, error: Exception) -> Response:
    # The message of a foreign error may quote a data set: only its class and place are told.
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{describe(error)}; the log of the web role says more")
