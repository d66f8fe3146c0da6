"""Audit messages to an audit record repository: RFC 5424 messages over TLS (RFC 5425), as PS3.15 A.6 and A.7 want."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from dicomnode.errors import PeerUnavailableError
from dicomnode.security.tls import failure_of

_PRIORITY = 10 * 8 + 5  # security messages, normal but significant
_MSGID = "DICOM+RFC3881"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


@dataclass(frozen=True, slots=True)
class SyslogMessage:
    """One message.

    Attributes:
        at: When the event was.
        host: This machine.
        process_id: Of the process that reports.
        xml: The audit message.
    """

    at: datetime
    host: str
    process_id: int
    xml: str

    def frame(self) -> bytes:
        """Header and content behind their length in octets, RFC 5425 4.3."""
        at = self.at.isoformat(timespec="milliseconds")
        header = f"<{_PRIORITY}>1 {at} {_token(self.host)} dicomnode {self.process_id} {_MSGID} - "
        content = header.encode() + _BYTE_ORDER_MARK + (_DECLARATION + self.xml).encode()
        return f"{len(content)} ".encode() + content


class SyslogConnection:
    """A connection to a repository, for one batch.

    Syslog knows no acknowledgements. What comes closest is the orderly end: the repository answers the end of TLS, or
    of TCP, once it has read everything before it; a repository that died in between answers with a reset.

    Raises:
        PeerUnavailableError: It is away, or not who it should be.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, timeout: float = 30.0) -> None:
        self._name = f"audit record repository {host}:{port}"
        try:
            plain = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise PeerUnavailableError(f"{self._name}: {error.strerror or error}") from error
        try:
            self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
        except (OSError, ValueError) as error:
            plain.close()
            raise PeerUnavailableError(f"{self._name}: no TLS: {failure_of(error)}") from error

    def send(self, messages: Iterable[SyslogMessage]) -> None:
        """Send messages and end the connection; when this returns, the repository has read them.

        Raises:
            PeerUnavailableError: It may not have; send them again.
        """
        try:
            self._socket.sendall(b"".join(message.frame() for message in messages))
            if isinstance(self._socket, ssl.SSLSocket):
                try:
                    self._socket.unwrap().close()
                except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                    return  # it closed the connection instead, after reading: no reset
            else:
                self._socket.shutdown(socket.SHUT_WR)
                while self._socket.recv(4096):
                    pass
        except OSError as error:
            raise PeerUnavailableError(f"{self._name}: the connection broke: {failure_of(error)}") from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()


def _token(text: str) -> str:
    """Printable ASCII without spaces, RFC 5424 6."""
    return "".join(character for character in text if "!" <= character <= "~")[:255] or "-"
