"""The PDUs that an acceptor sends (PS3.8 9.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomnode.intake.upper_layer.contexts import Answered
from dicomnode.intake.upper_layer.requests import AssociateRequest

RELEASE_REPLY = b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"
_SMALLEST_PIECE = 2


def accept(
    request: AssociateRequest,
    contexts: Sequence[Answered],
    roles: Mapping[str, tuple[bool, bool]],
    maximum_length: int,
) -> bytes:
    """A-ASSOCIATE-AC.

    Args:
        request: What it answers.
        contexts: Each context's answer.
        roles: Roles that are answered.
        maximum_length: Of the P-DATA-TF that the node takes.
    """
    items = _item(0x10, request.application_context.encode("ascii", "replace"))
    items += b"".join(map(_context, contexts))
    user = _item(0x51, struct.pack(">I", maximum_length)) + _item(0x52, IMPLEMENTATION_CLASS_UID.encode())
    if request.asks_for_window:
        user += _item(0x53, struct.pack(">HH", 1, 1))  # one operation at a time, both ways
    for uid, (scu, scp) in sorted(roles.items()):
        user += _item(0x54, struct.pack(">H", len(uid)) + uid.encode("ascii", "replace") + bytes([scu, scp]))
    user += _item(0x55, IMPLEMENTATION_VERSION_NAME.encode())
    content = struct.pack(">H2x", 1) + request.fixed + items + _item(0x50, user)
    return struct.pack(">BxI", 0x02, len(content)) + content


def reject(result: int, source: int, diagnostic: int) -> bytes:
    """A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
    return struct.pack(">BxI", 0x03, 4) + bytes([0, result, source, diagnostic])


def abort(source: int, reason: int) -> bytes:
    """A-ABORT (PS3.8 table 9-26): source 0 is the service user, 2 the service provider."""
    return struct.pack(">BxI", 0x07, 4) + bytes([0, 0, source, reason])


def command_pdus(context_id: int, command: bytes, maximum_length: int) -> Iterator[bytes]:
    """P-DATA-TF PDUs of a command set, none longer than the peer takes (0: any length)."""
    piece = len(command) if maximum_length == 0 else max(maximum_length - 6, _SMALLEST_PIECE)
    for at in range(0, len(command), piece):
        part = command[at : at + piece]
        control = 0x03 if at + piece >= len(command) else 0x01
        yield struct.pack(">BxIIBB", 0x04, len(part) + 6, len(part) + 2, context_id, control) + part


def _context(answered: Answered) -> bytes:
    head = bytes([answered.context_id, 0, answered.result, 0])
    return _item(0x21, head + _item(0x40, answered.transfer_syntax.encode("ascii", "replace")))


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content
