"""Accepts connections and gives each a thread of its own."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from contextlib import suppress

from dicomnode.intake.doorkeeper import Doorkeeper
from dicomnode.intake.handshake import HANDSHAKE_SECONDS
from dicomnode.intake.upper_layer.association import Association, Terms
from dicomnode.intake.upper_layer.wire import Wire
from dicomnode.intake.watch import end_connection
from dicomnode.security.tls import certificate_names, failure_of
from dicomnode.settings import Settings

_LOG = logging.getLogger(__name__)
_BACKLOG = 128
_LARGEST_PDU = 1 << 20  # a larger one gains nothing, and every association has room for two
_PAUSE_SECONDS = 0.1
_GRACE_SECONDS = 5.0


class _SocketLink:
    """A connection and its thread, for the watch."""

    def __init__(self, connection: socket.socket, address: str) -> None:
        self.address = address
        self.connection = connection
        self.thread: threading.Thread | None = None

    def lives(self) -> bool:
        """Until its thread has ended."""
        return self.thread is None or self.thread.is_alive()

    def end(self) -> None:
        """Its thread then finds the connection closed."""
        end_connection(self.connection)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 chooses a free one.

    Raises:
        OSError: The address cannot be listened on.
    """
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


class OwnEngine:
    """Accepts associations from its making until closed.

    Args:
        settings: Limits.
        doorkeeper: Decides and keeps.
        tls: None in the clear.
        listener: Where connections come in.
    """

    def __init__(
        self, settings: Settings, doorkeeper: Doorkeeper, tls: ssl.SSLContext | None, listener: socket.socket
    ) -> None:
        receive = settings.receive
        self._terms = Terms(min(receive.maximum_pdu_bytes, _LARGEST_PDU), receive.network_timeout_seconds)
        self._door = doorkeeper
        self._tls = tls
        self._listener = listener
        self.port = int(listener.getsockname()[1])
        self._links: set[_SocketLink] = set()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; associations that are open are aborted."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(_GRACE_SECONDS)
        self._listener.close()
        with self._guard:
            links = list(self._links)
        for link in links:
            link.end()
        deadline = time.monotonic() + _GRACE_SECONDS
        for link in links:
            if link.thread is not None:
                link.thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                if self._is_closed():
                    return
                time.sleep(_PAUSE_SECONDS)  # no handles left, or the peer is gone already
                continue
            link = _SocketLink(connection, str(address[0]))
            link.thread = threading.Thread(target=self._attend, args=(link,), name="association", daemon=True)
            with self._guard:
                self._links.add(link)
            try:
                link.thread.start()
            except RuntimeError:  # no thread can be had
                self._forget(link)

    def _is_closed(self) -> bool:
        try:
            return not self._listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            return True

    def _attend(self, link: _SocketLink) -> None:
        visit = self._door.opened(link)
        try:
            names = self._secured(link)
            wire = Wire(link.connection, self._terms.maximum_length, self._terms.artim_seconds)
            Association(wire, self._door, visit, self._terms, names).run()
        except _HandshakeError:
            pass
        finally:
            self._door.closed(visit)
            self._forget(link)

    def _forget(self, link: _SocketLink) -> None:
        with suppress(OSError):
            link.connection.close()
        with self._guard:
            self._links.discard(link)

    def _secured(self, link: _SocketLink) -> tuple[str, ...] | None:
        """Shake hands, where the node speaks TLS; the names in the peer's certificate, None in the clear."""
        if self._tls is None:
            return None
        try:
            link.connection.settimeout(HANDSHAKE_SECONDS)
            secured = self._tls.wrap_socket(link.connection, server_side=True)
            link.connection = secured
            secured.do_handshake()
        except (OSError, ValueError) as error:
            self._door.refused_handshake(link.address, failure_of(error))
            raise _HandshakeError from error
        return certificate_names(secured)


class _HandshakeError(Exception):
    """The peer speaks no TLS, or another one."""
