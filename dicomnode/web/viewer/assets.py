"""The viewer's files as they are sent: from a fixed list, compressed, and kept by browsers where they may be."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomnode.web.viewer.unpacking import COMPRESSED

INDEX = "index.html"
CONFIGURATION, SERVICE_WORKER = "/app-config.js", "/init-service-worker.js"
_OURS = frozenset({CONFIGURATION, SERVICE_WORKER})  # the package's own lead to public servers
# A bundler's name for a content that never changes: 16 hexadecimal digits of its digest.
_HASHED = re.compile(r"(^|\.)[0-9a-f]{16}\.")
_FOR_EVER, _ASK_AGAIN = "private, max-age=31536000, immutable", "no-cache"
_TYPES = {".js": "text/javascript", ".wasm": "application/wasm", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
_READ = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the viewer.

    Attributes:
        path: On the disk.
        compressed: The same by gzip, if there is one.
        media_type: Told to the browser.
        cache_control: How long the browser may keep it.
        etag: Of the plain content.
    """

    path: Path
    compressed: Path | None
    media_type: str
    cache_control: str
    etag: str


def list_assets(dist: Path) -> dict[str, Asset]:
    """The files under the built pages by their paths on the origin; nothing else is ever opened."""
    files = {path for path in dist.rglob("*") if path.is_file()}
    named = {
        f"/{path.relative_to(dist).as_posix()}": path for path in files if path.suffix not in (COMPRESSED, ".html")
    }
    return {name: _asset(path, files) for name, path in named.items() if name not in _OURS}


def _asset(path: Path, files: set[Path]) -> Asset:
    compressed = path.with_name(path.name + COMPRESSED)
    stat = path.stat()
    mark = sha256(f"{path.name} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:24]
    return Asset(
        path,
        compressed if compressed in files else None,
        _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        _FOR_EVER if _HASHED.search(path.name) else _ASK_AGAIN,
        mark,
    )


class Assets:
    """ASGI middleware that answers for the viewer's files, which are public software, and passes on the rest."""

    def __init__(self, app: ASGIApp, assets: Mapping[str, Asset], headers: Mapping[str, str]) -> None:
        self._app = app
        self._assets = assets
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file, or pass the request on."""
        asset = self._assets.get(scope["path"]) if scope["type"] == "http" and scope["method"] in _READ else None
        if asset is None:
            await self._app(scope, receive, send)
            return
        await _answer(Request(scope), asset, self._headers)(scope, receive, send)


def _answer(request: Request, asset: Asset, headers: Mapping[str, str]) -> Response:
    packed = asset.compressed if "gzip" in request.headers.get("accept-encoding", "") else None
    etag = f'"{asset.etag}{"-gzip" if packed else ""}"'  # RFC 9110 8.8.3: each encoding has its own
    sent = {**headers, "Cache-Control": asset.cache_control, "ETag": etag, "Vary": "Accept-Encoding"}
    if etag in {mark.strip().removeprefix("W/") for mark in request.headers.get("if-none-match", "").split(",")}:
        return Response(status_code=304, headers=sent)
    if packed:
        sent["Content-Encoding"] = "gzip"
    return FileResponse(packed or asset.path, headers=sent, media_type=asset.media_type)
