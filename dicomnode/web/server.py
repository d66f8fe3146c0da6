"""The web role as a process: uvicorn around the application."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from typing import cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from dicomnode.archive.archive import Archive
from dicomnode.security.tls import server_context
from dicomnode.settings import Settings
from dicomnode.web.api.bulletin import Bulletin
from dicomnode.web.app import create_app
from dicomnode.web.listening import listen, stop_when_told
from dicomnode.web.predicting.asking import Predictions
from dicomnode.web.review.table import Table
from dicomnode.web.viewer.installing import find_installed
from dicomnode.web.viewer.origin import ByPort, create_viewer

_LOG = logging.getLogger(__name__)
_GRACE_SECONDS = 10


def serve_web(
    archive: Archive,
    settings: Settings,
    ready: Callable[[int], None],
    stop: Event | None = None,
    review: Callable[[], Table] | None = None,
) -> None:
    """Serve until told to end, by SIGTERM or SIGINT in the main thread or by ``stop`` in any.

    Requests under way may end within some seconds.

    Args:
        archive: Open; stays the caller's to close.
        settings: ``web.host`` and ``web.port`` say where to listen.
        ready: Called with the port once connections are accepted.
        stop: Ends the server.
        review: Opens the table of training images that is under review; None if there is none.

    Raises:
        SettingsError: The address cannot be listened on.
    """
    host, port = settings.web.host, settings.web.port
    tls = server_context(settings.web.tls, "web.tls")
    if settings.web.in_the_clear:
        _LOG.warning(
            "web.host %s listens without TLS: set web.tls, or name the proxy that adds it in web.proxies", host
        )
    with ExitStack() as open_listeners:
        listener = open_listeners.enter_context(listen(host, port, f"web.host {host}, web.port {port}"))
        own = create_app(archive, settings)
        own.state.review = review
        open_listeners.callback(cast(Predictions, own.state.predictions).close)
        app, listeners = _with_viewer(own, settings, open_listeners)
        server = _Server(_config(app, settings, tls), cast(Bulletin, own.state.bulletin))
        if stop is not None:
            stop_when_told(server, stop)
        ready(listener.getsockname()[1])
        server.run(sockets=[listener, *listeners])


class _Server(uvicorn.Server):
    """Lets event streams end before it waits for answers that are under way."""

    def __init__(self, config: uvicorn.Config, bulletin: Bulletin) -> None:
        super().__init__(config)
        self._bulletin = bulletin

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it, after that."""
        self._bulletin.end()
        await super().shutdown(sockets)


def _with_viewer(app: FastAPI, settings: Settings, opened: ExitStack) -> tuple[ASGIApp, list[socket.socket]]:
    """The application with the viewer on a port of its own, if one is installed."""
    installed = find_installed(settings.web.viewer.folder)
    if installed is None:
        return app, []
    host, port = settings.web.host, settings.web.viewer.port
    listener = opened.enter_context(listen(host, port, f"web.host {host}, web.viewer.port {port}"))
    app.state.viewer_port = listener.getsockname()[1]
    _LOG.info("the viewer OHIF %s is served on port %d", installed.version, app.state.viewer_port)
    return ByPort(app, create_viewer(app, settings, installed.dist), app.state.viewer_port), [listener]


def _config(app: ASGIApp, settings: Settings, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # query strings of QIDO-RS hold names and patient IDs
        server_header=False,
        proxy_headers=bool(settings.web.proxies),
        forwarded_allow_ips=list(settings.web.proxies),
        timeout_graceful_shutdown=_GRACE_SECONDS,
        lifespan="off",
        ws="none",
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
