"""The web role as a process: uvicorn around the application."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event, Thread
from typing import cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from dicomnode.archive.archive import Archive
from dicomnode.errors import SettingsError
from dicomnode.security.tls import server_context
from dicomnode.settings import Settings
from dicomnode.web.api.bulletin import Bulletin
from dicomnode.web.app import create_app
from dicomnode.web.predicting.asking import Predictions
from dicomnode.web.viewer.installing import find_installed
from dicomnode.web.viewer.origin import ByPort, create_viewer

_LOG = logging.getLogger(__name__)
_GRACE_SECONDS = 10
_LOOK_SECONDS = 0.2


def serve_web(archive: Archive, settings: Settings, ready: Callable[[int], None], stop: Event | None = None) -> None:
    """Serve until told to end, by SIGTERM or SIGINT in the main thread or by ``stop`` in any.

    Requests under way may end within some seconds.

    Args:
        archive: Open; stays the caller's to close.
        settings: ``web.host`` and ``web.port`` say where to listen.
        ready: Called with the port once connections are accepted.
        stop: Ends the server.

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


def listen(host: str, port: int, asked: str) -> socket.socket:
    """A listening TCP socket.

    Args:
        host: Address.
        port: 0 chooses a free one.
        asked: What asked for it, for the message.

    Raises:
        SettingsError: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, since asyncio turns off Nagle's algorithm only then, and each answer would wait 40 ms for the client's ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Connections queue from here on, so that "ready" is true before the first one is taken.
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise SettingsError(f"{asked}: cannot listen there: {error.strerror}") from error
    return listener


def stop_when_told(server: uvicorn.Server, stop: Event) -> None:
    """Let an event end a server, from a thread of its own."""
    Thread(target=_wait_and_stop, args=(server, stop), name="web-stop", daemon=True).start()


def _wait_and_stop(server: uvicorn.Server, stop: Event) -> None:
    while not server.should_exit and not stop.wait(_LOOK_SECONDS):
        pass
    server.should_exit = True
