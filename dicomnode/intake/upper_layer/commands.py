"""DIMSE command sets, read and written as far as the node serves them (PS3.7 6.3 and Annex E)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

C_STORE, C_ECHO, N_EVENT_REPORT, C_CANCEL = 0x0001, 0x0030, 0x0100, 0x0FFF
RESPONSE = 0x8000
NO_DATA_SET = 0x0101
_CLASS, _REQUESTED_CLASS, _FIELD, _MESSAGE, _ANSWERED = 0x0002, 0x0003, 0x0100, 0x0110, 0x0120
_DATA_SET, _STATUS, _COMMENT, _INSTANCE, _REQUESTED_INSTANCE, _EVENT = 0x0800, 0x0900, 0x0902, 0x1000, 0x1001, 0x1002
_LONGEST_UID = 64
_LONGEST_COMMENT = 64
_HEAD = struct.Struct("<HHI")
_SHORT = struct.Struct("<HHIH")


class CommandError(Exception):
    """A command set that breaks PS3.7; says how, without quoting it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A request, or a response that nobody waits for.

    Attributes:
        field: Command Field (0000,0100).
        message_id: (0000,0110), or (0000,0120) where that is what it has.
        sop_class_uid: Affected or Requested SOP Class UID, empty if absent.
        sop_instance_uid: Affected or Requested SOP Instance UID, empty if absent.
        event_type: (0000,1002), None if absent.
        has_data_set: Whether a data set follows.
    """

    field: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    event_type: int | None
    has_data_set: bool


def read_command(data: bytes | bytearray) -> Command:
    """Read a command set, Implicit VR Little Endian.

    Raises:
        CommandError: A length does not fit, or an element that must be there is not.
    """
    values = _elements(data)
    field, kind = _number(values, _FIELD), _number(values, _DATA_SET)
    message = _number(values, _MESSAGE)
    if message is None:
        message = _number(values, _ANSWERED)
    if field is None or kind is None or message is None:
        raise CommandError("lacks its command field, message ID or data set type")
    return Command(
        field,
        message,
        _text(values, _CLASS) or _text(values, _REQUESTED_CLASS),
        _text(values, _INSTANCE) or _text(values, _REQUESTED_INSTANCE),
        _number(values, _EVENT),
        kind != NO_DATA_SET,
    )


def write_response(command: Command, status: int, comment: str = "") -> bytes:
    """The command set of the response to a request, without a data set."""
    body = _uid(_CLASS, command.sop_class_uid)
    body += _SHORT.pack(0, _FIELD, 2, command.field | RESPONSE)
    body += _SHORT.pack(0, _ANSWERED, 2, command.message_id)
    body += _SHORT.pack(0, _DATA_SET, 2, NO_DATA_SET)
    body += _SHORT.pack(0, _STATUS, 2, status)
    if comment:
        body += _element(_COMMENT, comment.encode("ascii", "replace")[:_LONGEST_COMMENT], b" ")
    body += _uid(_INSTANCE, command.sop_instance_uid)
    if command.event_type is not None:
        body += _SHORT.pack(0, _EVENT, 2, command.event_type)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _elements(data: bytes | bytearray) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at < end:
        if at + 8 > end:
            raise CommandError("ends inside the head of an element")
        group, element, length = _HEAD.unpack_from(data, at)
        at += 8
        if group != 0 or at + length > end:
            raise CommandError("has an element of another group, or one that is longer than the command")
        values[element] = bytes(data[at : at + length])
        at += length
    return values


def _number(values: dict[int, bytes], element: int) -> int | None:
    value = values.get(element, b"")
    if not value:
        return None
    if len(value) != 2:
        raise CommandError("has a number of a wrong length")
    return int.from_bytes(value, "little")


def _text(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").strip(b"\0 ").decode("ascii", "replace")


def _uid(element: int, uid: str) -> bytes:
    """The peer's own UID, once more; one that is none is left out."""
    return _element(element, uid.encode("ascii", "replace"), b"\0") if 0 < len(uid) <= _LONGEST_UID else b""


def _element(element: int, value: bytes, padding: bytes) -> bytes:
    if len(value) % 2:
        value += padding
    return _HEAD.pack(0, element, len(value)) + value
