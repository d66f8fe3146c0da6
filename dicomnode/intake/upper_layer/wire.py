"""The bytes of a connection: whole PDUs out of one large buffer, without copies (PS3.8 9.3)."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import suppress

from dicomnode.intake.upper_layer.requests import INVALID_PARAMETER, UNRECOGNISED_PDU, InvalidPduError

_HEAD = struct.Struct(">BxI")
_SMALLEST_BUFFER = 1 << 19
_TICK_SECONDS = 1.0
# Some senders take the maximum length for that of the whole PDU, or forget heads of its items.
_GRACE_BYTES = 64
REQUEST, ACCEPT, REJECT, DATA, RELEASE_REQUEST, RELEASE_REPLY, ABORT = 1, 2, 3, 4, 5, 6, 7


class ClosedError(Exception):
    """The connection is closed or broken."""


class ExpiredError(Exception):
    """The ARTIM timer has expired."""


class Wire:
    """A connected socket. Only the association's own thread reads and writes.

    Args:
        connection: In the clear, or with its TLS handshake done.
        maximum_length: Of the P-DATA-TF that the node takes.
        patience: Seconds that a write may wait for the peer.
    """

    def __init__(self, connection: socket.socket, maximum_length: int, patience: float) -> None:
        size = max(2 * (maximum_length + _GRACE_BYTES + _HEAD.size), _SMALLEST_BUFFER)
        self._connection = connection
        self._plain = not isinstance(connection, ssl.SSLSocket)
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        longest = size - _HEAD.size
        self._longest: Mapping[int, int] = {
            REQUEST: longest,
            ACCEPT: longest,
            REJECT: 4,
            DATA: maximum_length + _GRACE_BYTES,
            RELEASE_REQUEST: 4,
            RELEASE_REPLY: 4,
            ABORT: 4,
        }
        self.deadline: float | None = None
        self._prepare(patience)

    def next_pdu(self) -> tuple[int, memoryview]:
        """Kind and content of the next PDU; the content is there until the next call.

        Raises:
            ClosedError: No more comes.
            ExpiredError: The deadline, of the monotonic clock, has passed.
            InvalidPduError: What comes is no PDU, or one of a wrong length; where the next one begins is unknown.
        """
        if self._end - self._start < _HEAD.size:
            self._fill(_HEAD.size)
        kind, length = _HEAD.unpack_from(self._buffer, self._start)
        longest = self._longest.get(kind)
        if longest is None:
            raise InvalidPduError("it sent what is no PDU", UNRECOGNISED_PDU)
        if length > longest or (longest == 4 and length != 4):
            raise InvalidPduError("it sent a PDU of a wrong length", INVALID_PARAMETER)
        whole = _HEAD.size + length
        if self._end - self._start < whole:
            self._fill(whole)
        start = self._start
        self._start = start + whole
        return kind, self._view[start + _HEAD.size : start + whole]

    def drain(self) -> None:
        """Read and forget what comes, until the connection is closed or the deadline passes.

        Raises:
            ClosedError: No more comes.
            ExpiredError: The deadline has passed.
        """
        while True:
            self._start = self._end = 0
            self._fill(1)

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            ClosedError: The peer is gone, or takes nothing for too long.
        """
        try:
            self._connection.sendall(data)
        except (OSError, ValueError) as error:
            raise ClosedError from error

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
        with suppress(OSError):
            self._connection.close()

    def _prepare(self, patience: float) -> None:
        with suppress(OSError):  # the peer may be gone already, which the first read finds
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._plain:
                self._connection.settimeout(_TICK_SECONDS)
                return
            # Limits in the kernel spare a poll before every read
            self._connection.settimeout(None)
            for option, seconds in ((socket.SO_RCVTIMEO, _TICK_SECONDS), (socket.SO_SNDTIMEO, patience)):
                self._connection.setsockopt(socket.SOL_SOCKET, option, _timeval(seconds))

    def _fill(self, count: int) -> None:
        """Read until so many bytes are there."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start + count > len(self._buffer):
            rest = self._end - self._start
            self._view[:rest] = self._view[self._start : self._end]
            self._start, self._end = 0, rest
        while self._end - self._start < count:
            self._end += self._receive()

    def _receive(self) -> int:
        while True:
            if self.deadline is not None and time.monotonic() > self.deadline:
                raise ExpiredError
            try:
                received = self._connection.recv_into(self._view[self._end :])
                if self._plain:
                    # Senders that left Nagle's algorithm on wait for the acknowledgement. Linux forgets this setting.
                    self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
                continue
            except (OSError, ValueError) as error:
                raise ClosedError from error
            if received == 0:
                raise ClosedError
            return received


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
