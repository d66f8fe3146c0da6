"""Forms of the pages: small, of one kind, read before anything is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qsl

from anyio import fail_after
from fastapi import Depends, Request
from starlette.exceptions import HTTPException

_KIND = "application/x-www-form-urlencoded"
_MOST_BYTES, _MOST_FIELDS, _SECONDS = 16 * 1024, 32, 20

Form = Mapping[str, str]


async def read_form(request: Request) -> Form:
    """The fields of a form; none if the body is anything else, which is left unread.

    Raises:
        HTTPException: 400, 408 or 413: it is no form that a page of ours sends.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "GET" or kind != _KIND:
        return {}
    try:
        with fail_after(_SECONDS):
            body = await _body(request)
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, f"the form did not come within {_SECONDS} s") from None
    except ValueError:
        raise _no_form() from None
    if any("\0" in text for field in fields.items() for text in field):  # PostgreSQL keeps no such text
        raise _no_form()
    return fields


def _no_form() -> HTTPException:
    return HTTPException(HTTPStatus.BAD_REQUEST, "this is no form of this page")


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a form has at most {_MOST_BYTES} bytes")
    return body


FormOf = Annotated[Form, Depends(read_form)]
