"""The review page as a process of its own, on this machine unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import uvicorn

from dicomnode.web.listening import listen, stop_when_told
from dicomnode.web.review.app import create_review_app
from dicomnode.web.review.table import Table


def serve_review(table: Table, host: str, port: int, ready: Callable[[int], None], stop: Event | None = None) -> None:
    """Serve until told to end, by SIGTERM or SIGINT in the main thread or by ``stop`` in any.

    Args:
        table: What is reviewed.
        host: Address to listen on.
        port: TCP port; 0 chooses a free one.
        ready: Called with the port once connections are accepted.
        stop: Ends the server.

    Raises:
        SettingsError: The address cannot be listened on.
    """
    app = create_review_app(table, ("127.0.0.1", "localhost", "[::1]", host))
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off", ws="none")
    with listen(host, port, f"--host {host} --port {port}") as listener:
        server = uvicorn.Server(config)
        if stop is not None:
            stop_when_told(server, stop)
        ready(listener.getsockname()[1])
        server.run(sockets=[listener])
