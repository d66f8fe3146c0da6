"""C-ECHO: does a peer answer (PS3.4 Annex A)."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass

from pynetdicom import build_context
from pynetdicom.sop_class import Verification

from dicomnode.errors import PeerError
from dicomnode.peers.association import DimsePeer, associated


@dataclass(frozen=True, slots=True)
class EchoResult:
    """How an echo ended.

    Attributes:
        answered: True if the peer answered with success.
        text: One line: what happened.
        seconds: From connecting to the end.
    """

    answered: bool
    text: str
    seconds: float


def echo(
    host: str, port: int, called: str, calling: str, timeout: float, tls: ssl.SSLContext | None = None
) -> EchoResult:
    """Send one C-ECHO.

    Args:
        host: Name or address.
        port: TCP port.
        called: AE title of the peer.
        calling: Our AE title.
        timeout: For connecting and for each answer, in seconds.
        tls: How the peer is called by TLS, None for in the clear.
    """
    peer = DimsePeer(host, port, called, calling, timeout, tls)
    start = time.monotonic()
    try:
        with associated(peer, [build_context(Verification)]) as association:
            status = association.send_c_echo()
    except PeerError as error:
        return EchoResult(False, str(error), time.monotonic() - start)
    seconds = time.monotonic() - start
    if "Status" not in status:
        return EchoResult(False, f"{peer}: the connection ended before the answer", seconds)
    if status.Status != 0x0000:
        return EchoResult(False, f"{peer}: answered status 0x{status.Status:04X}", seconds)
    return EchoResult(True, f"{peer}: answered", seconds)
