"""Sockets that web servers listen on, and how they are told to end."""

from __future__ import annotations

import socket
from threading import Event, Thread

import uvicorn

from dicomnode.errors import SettingsError

_LOOK_SECONDS = 0.2


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
