"""The viewer's origin with one of two archives behind it: the node's own, or Orthanc's."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.header import read_header
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from dicomnode.web.listening import listen, stop_when_told
from dicomnode.web.viewer.installing import Installed
from dicomnode.web.viewer.origin import ByPath, create_viewer

_SECONDS = 60
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"})


def settings_of(folder: Path, ohif: Installed, *, accounts: bool = False) -> Settings:
    """A node that serves the viewer on any port."""
    return Settings.model_validate(
        {
            "node": {"ae_title": "DICOMNODE", "data_dir": folder / "data"},
            "models": {"folder": folder},
            "web": {
                "port": 0,
                "accounts": {"required": accounts},
                "viewer": {"folder": ohif.folder.parent, "port": 0},
            },
        }
    )


def keep(archive: Archive, files: Iterable[Path]) -> None:
    """Put files into the node's archive as intake does."""
    for path in files:
        content = path.read_bytes()
        with archive.instances.new_file() as staged:
            staged.write(content)
            header = read_header(BytesIO(content))
            archive.instances.commit(staged, header, Origin(Way.STOW), datetime.now(UTC))


@contextmanager
def viewer_on(orthanc_url: str, archive: Archive, settings: Settings, ohif: Installed) -> Iterator[str]:
    """The viewer's origin with Orthanc's DICOMweb in place of the node's; gives its URL."""
    viewer = create_viewer(create_app(archive, settings), settings, ohif.dist)
    with _serving(ByPath(viewer.viewer, Proxy(orthanc_url))) as url:
        yield url


class Proxy:
    """ASGI application that passes requests on to another server."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        headers = {"accept": request.headers.get("accept", "*/*"), "accept-encoding": "identity"}
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            answer = await client.request(request.method, f"{self._url}{path}", headers=headers)
        sent = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        await Response(answer.content, answer.status_code, sent)(scope, receive, send)


@contextmanager
def _serving(app: ASGIApp) -> Iterator[str]:
    stop = threading.Event()
    with listen("127.0.0.1", 0, "a test") as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        stop_when_told(server, stop)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join(_SECONDS)
