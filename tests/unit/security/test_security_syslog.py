"""Audit messages by syslog over TLS: framing, and that nothing counts as sent that was not read."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from dicomnode.errors import PeerUnavailableError
from dicomnode.security.syslog import SyslogConnection, SyslogMessage
from dicomnode.security.tls import client_context, server_context
from tests.tls import Certificates

MESSAGE = SyslogMessage(datetime(2026, 11, 21, 22, 0, tzinfo=UTC), "node host", 12, "<AuditMessage>é</AuditMessage>")
CONTENT = (
    b"<85>1 2026-11-21T22:00:00.000+00:00 nodehost dicomnode 12 DICOM+RFC3881 - "
    b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?><AuditMessage>\xc3\xa9</AuditMessage>'
)


@contextmanager
def repository(tls: ssl.SSLContext | None, *, dies: bool = False) -> Iterator[tuple[int, bytearray]]:
    """Takes one connection and reads it to its end, or dies before it has read."""
    received = bytearray()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection if tls is None else tls.wrap_socket(connection, server_side=True) as taken:
            try:
                while not dies and (data := taken.recv(4096)):
                    received.extend(data)
                if dies:
                    taken.recv(10)
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], received
        thread.join(20)


def test_the_frame() -> None:
    assert MESSAGE.frame() == str(len(CONTENT)).encode() + b" " + CONTENT


@pytest.mark.parametrize("secured", [True, False])
def test_messages_arrive(certificates: Certificates, secured: bool) -> None:
    server = server_context(certificates.server(), "test") if secured else None
    client = client_context(certificates.client(), "audit.tls") if secured else None
    with repository(server) as (port, received), SyslogConnection("127.0.0.1", port, client) as connection:
        connection.send([MESSAGE] * 500)
    assert bytes(received) == MESSAGE.frame() * 500


@pytest.mark.parametrize("secured", [True, False])
def test_what_a_dying_repository_did_not_read_is_not_sent(certificates: Certificates, secured: bool) -> None:
    server = server_context(certificates.server(), "test") if secured else None
    client = client_context(certificates.client(), "audit.tls") if secured else None
    with (
        repository(server, dies=True) as (port, _),
        SyslogConnection("127.0.0.1", port, client) as connection,
        pytest.raises(PeerUnavailableError, match="broke"),
    ):
        connection.send([MESSAGE] * 500)


def test_a_repository_that_is_not_believed(certificates: Certificates) -> None:
    client = client_context(certificates.client(ca=certificates / "other-ca.pem"), "audit.tls")
    with (
        repository(server_context(certificates.server(), "test")) as (port, _),
        pytest.raises(PeerUnavailableError, match="no TLS"),
    ):
        SyslogConnection("127.0.0.1", port, client)
    with pytest.raises(PeerUnavailableError, match="refused"):
        SyslogConnection("127.0.0.1", port, client)
