"""Entity tags and byte ranges: what a client has already, and what part it still wants (RFC 9110 8.8.3, 13, 14)."""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from dicomnode.web.dicomweb.multipart import Part, StreamedResponse, single_response

# Answers hold patients' images: a browser may keep them, and must ask each time whether it still may show them.
_KEEPING = {"Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_COMPRESSED = "-gzip"


def entity_tag(*parts: str) -> str:
    """A strong tag: answers of equal parts are equal byte for byte."""
    return f'"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:40]}"'


def caching_headers(tag: str) -> dict[str, str]:
    """Headers of an answer that has a tag."""
    return {"ETag": tag, **_KEEPING}


def has_already(request: Request, tag: str) -> bool:
    """Whether the client holds this very answer, compressed or not (If-None-Match)."""
    known = [item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")]
    return "*" in known or tag in (f'{item[:-1].removesuffix(_COMPRESSED)}"' for item in known if item)


def not_modified(request: Request, tag: str) -> Response:
    """304, with the tag that the client knows the answer by."""
    compressed = f'{tag[:-1]}{_COMPRESSED}"'
    known = compressed if compressed in request.headers.get("if-none-match", "") else tag
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=caching_headers(known))


def ranged_response(request: Request, part: Part, tag: str) -> StreamedResponse:
    """A single part, or the stretch of it that was asked for; errors as `asked_of`."""
    sent = asked_of(request, part, tag)
    return single_response(sent, range_headers(tag), status_of(sent))


def range_headers(tag: str) -> dict[str, str]:
    """Headers of an answer of which a range can be asked for."""
    return {**caching_headers(tag), "Accept-Ranges": "bytes"}


def status_of(part: Part) -> HTTPStatus:
    """Whether a resource is sent whole."""
    return HTTPStatus.PARTIAL_CONTENT if part.content_range else HTTPStatus.OK


def asked_of(request: Request, part: Part, tag: str) -> Part:
    """The stretch of a part that the client asks for, else all of it.

    Several ranges at once are answered with the whole, as RFC 9110 14.2 allows.

    Raises:
        HTTPException: 416, the range lies behind the end.
    """
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or found.groups() == ("", "") or request.headers.get("if-range", tag) != tag:
        return part
    first, last = _bounds(found[1], found[2], part.length)
    if first > last:
        unsatisfied = {"Content-Range": f"bytes */{part.length}"}
        detail = f"the range lies outside of the {part.length} bytes that there are"
        raise HTTPException(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, detail, unsatisfied)
    return part.cut(first, last - first + 1)


def _bounds(first: str, last: str, length: int) -> tuple[int, int]:
    """First and last byte; a range without a first one counts from the end."""
    if not first:
        return max(length - int(last), 0), length - 1 if int(last) else -1
    return int(first), min(int(last), length - 1) if last else length - 1
