"""Messages between the process and who asks it: their length in eight bytes, then JSON; a file goes beside."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, TypeAlias

_HEAD = struct.Struct(">Q")
_MOST_BYTES = 1 << 30
_PIECE = 1 << 20

Message: TypeAlias = Mapping[str, Any]


def send(connection: socket.socket, message: Message, file: int | None = None) -> None:
    """Send a message, and with it a file that is open.

    Raises:
        OSError: The other end is gone, or does not read in time.
    """
    content = json.dumps(message).encode()
    socket.send_fds(connection, [_HEAD.pack(len(content))], [] if file is None else [file])
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[Message, int | None]:
    """The next message, and the file that came with it, which is the receiver's to close.

    Raises:
        EOFError: The other end is gone.
        OSError: Nothing came in time.
    """
    head, files, _, _ = socket.recv_fds(connection, _HEAD.size, 1)
    head += _exactly(connection, _HEAD.size - len(head)) if head else b""
    if not head:
        raise EOFError("the other end is gone")
    (length,) = _HEAD.unpack(head)
    if length > _MOST_BYTES:
        raise OSError(f"a message of {length} bytes is none of ours")
    message: Message = json.loads(_exactly(connection, length))
    return message, files[0] if files else None


def _exactly(connection: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        piece = connection.recv(min(_PIECE, count - len(content)))
        if not piece:
            raise EOFError("the other end is gone")
        content += piece
    return bytes(content)
