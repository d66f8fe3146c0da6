"""TLS handshakes of the listener (PS3.15 Annex B): each in its association's own thread, within a time limit."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from dicomnode.security.tls import certificate_names, failure_of

HANDSHAKE_SECONDS = 15.0


class Handshakes:
    """Completes the handshake when a connection opens, before anything is read from it.

    pynetdicom would do so in the thread that accepts connections, where one silent client holds up everybody.

    Args:
        refused: Called with the address of a peer that failed, and the reason.
        seconds: A handshake that takes longer has failed.
    """

    def __init__(self, refused: Callable[[str, str], None], seconds: float = HANDSHAKE_SECONDS) -> None:
        self._refused = refused
        self._seconds = seconds

    def on_connection(self, event: Any) -> None:
        """Shake hands, or close the connection."""
        connection = event.assoc.dul.socket
        secured = connection.socket
        if not isinstance(secured, ssl.SSLSocket):
            return
        before = secured.gettimeout()
        try:
            secured.settimeout(self._seconds)
            secured.do_handshake()
            secured.settimeout(before)
        except (OSError, ValueError) as error:
            address, reason = str(event.address[0]), failure_of(error)
            connection.close()
            secured.close()  # pynetdicom does not where the peer has gone
            self._refused(address, reason)


def peer_names(association: Any) -> tuple[str, ...] | None:
    """The names in the peer's certificate: none if it showed no certificate, None if it did not come by TLS."""
    secured = association.dul.socket.socket if association.dul.socket else None
    return certificate_names(secured) if isinstance(secured, ssl.SSLSocket) else None
