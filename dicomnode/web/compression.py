"""gzip for answers that are text (RFC 9110 8.4.1.3).

Instances, frames and pictures are never compressed: they are already, or gain little for much time. Pages
are not either: a compressed page that holds a form's token and what the client sent tells the token (BREACH).
"""

from __future__ import annotations

import zlib

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TEXT = frozenset(
    (
        *("application/dicom+json", "application/json", "application/javascript", "text/javascript", "text/css"),
        *("image/svg+xml", "text/plain", "application/wasm", "application/manifest+json"),
    )
)
_LEVEL = 5
_GZIP = 16 + zlib.MAX_WBITS
_SMALLEST = 1024
_LARGE = 64 * 1024  # longer pieces are compressed in another thread, so that other requests go on


class Compression:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and compress the answer, where the client takes it and it is worth it."""
        if scope["type"] == "http" and _takes_gzip(Headers(scope=scope)):
            send = _Compressed(send, has_content=scope["method"] != "HEAD")
        await self._app(scope, receive, send)


class _Compressed:
    """The way out of one answer."""

    def __init__(self, send: Send, has_content: bool) -> None:
        self._send = send
        self._has_content = has_content
        self._deflater: zlib._Compress | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message["headers"]))
            if _is_worth_it(headers, message["status"]):
                self._deflater = zlib.compressobj(_LEVEL, wbits=_GZIP) if self._has_content else None
                _announce(headers)
                message = {**message, "headers": headers.raw}
        elif message["type"] == "http.response.body" and self._deflater is not None:
            message = await self._deflated(self._deflater, message)
        await self._send(message)

    async def _deflated(self, deflater: zlib._Compress, message: Message) -> Message:
        content, more = message.get("body", b""), message.get("more_body", False)
        if len(content) > _LARGE:
            packed = await to_thread.run_sync(deflater.compress, content)
        else:
            packed = deflater.compress(content)
        return {**message, "body": packed if more else packed + deflater.flush()}


def _takes_gzip(headers: Headers) -> bool:
    for item in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = item.replace(" ", "").partition(";q=")
        if name in ("gzip", "x-gzip"):
            return weight not in ("0", "0.0", "0.00", "0.000")
    return False


def _is_worth_it(headers: Headers, status: int) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get("content-length", "")
    is_short = length.isdigit() and int(length) < _SMALLEST
    return status == 200 and media_type in _TEXT and not is_short and "content-encoding" not in headers


def _announce(headers: MutableHeaders) -> None:
    headers["Content-Encoding"] = "gzip"
    del headers["Content-Length"]
    headers.add_vary_header("Accept-Encoding")
    tag = headers.get("etag", "")
    if tag.endswith('"') and not tag.startswith("W/"):
        headers["ETag"] = f'{tag[:-1]}-gzip"'  # other bytes, thus another strong tag
