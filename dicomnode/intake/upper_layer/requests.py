"""A-ASSOCIATE-RQ read with every length checked (PS3.8 9.3.2 and Annex D, PS3.7 Annex D.3.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from dicomnode.intake.upper_layer.contexts import Proposed, Roles

_FIXED = 68
_APPLICATION, _CONTEXT, _USER = 0x10, 0x20, 0x50
_ABSTRACT, _TRANSFER = 0x30, 0x40
_MAXIMUM_LENGTH, _ASYNCHRONOUS, _ROLE, _EXTENDED, _COMMON_EXTENDED, _IDENTITY = 0x51, 0x53, 0x54, 0x56, 0x57, 0x58


class InvalidPduError(Exception):
    """A PDU that breaks PS3.8; says how, without quoting it.

    Attributes:
        reason: Of the A-ABORT (PS3.8 table 9-26).
    """

    def __init__(self, what: str, reason: int) -> None:
        super().__init__(what)
        self.reason = reason


UNRECOGNISED_PDU, UNEXPECTED_PDU, INVALID_PARAMETER = 1, 2, 6


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """What an association requestor asks for.

    Attributes:
        protocol_version: Bit field of versions.
        fixed: Called and calling AE title and the reserved bytes behind them, which the answer repeats.
        called_ae_title: Without padding.
        calling_ae_title: Without padding.
        application_context: Its name.
        contexts: Proposed presentation contexts.
        maximum_length: Of the P-DATA-TF that it takes, 0 for any.
        roles: That it proposes, by SOP class.
        asks_for_window: Whether it proposes asynchronous operations.
    """

    protocol_version: int
    fixed: bytes
    called_ae_title: str
    calling_ae_title: str
    application_context: str
    contexts: tuple[Proposed, ...]
    maximum_length: int = 0
    roles: Roles = field(default_factory=dict)
    asks_for_window: bool = False


@dataclass(slots=True)
class _User:
    """What the user information says."""

    maximum_length: int = 0
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    asks_for_window: bool = False


def read_request(content: memoryview) -> AssociateRequest:
    """Read the variable part of an A-ASSOCIATE-RQ.

    Raises:
        InvalidPduError: A length does not fit, or something that must be there is not.
    """
    if len(content) < _FIXED:
        raise _invalid("is shorter than its fixed part")
    names: list[str] = []
    contexts: dict[int, Proposed] = {}
    user = _User()
    for kind, value in _items(content[_FIXED:]):
        if kind == _APPLICATION:
            names.append(_uid(value))
        elif kind == _CONTEXT:
            proposed = _context(value)
            if proposed.context_id in contexts:
                raise _invalid("uses a presentation context ID twice")
            contexts[proposed.context_id] = proposed
        elif kind == _USER:
            _read_user(value, user)
    if len(names) != 1 or not contexts:
        raise _invalid("lacks its application context or has no presentation context")
    return AssociateRequest(
        int.from_bytes(content[:2], "big"),
        bytes(content[4:_FIXED]),
        _ae_title(content[4:20]),
        _ae_title(content[20:36]),
        names[0],
        tuple(contexts.values()),
        user.maximum_length,
        user.roles,
        user.asks_for_window,
    )


def _items(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Items or sub-items: kind and value; who reads skips kinds that it does not know (PS3.8 9.3.1)."""
    at = 0
    while at < len(content):
        if at + 4 > len(content):
            raise _invalid("ends inside the head of an item")
        kind, length = struct.unpack_from(">BxH", content, at)
        at += 4
        if at + length > len(content):
            raise _invalid("has an item that is longer than what holds it")
        yield kind, content[at : at + length]
        at += length


def _context(value: memoryview) -> Proposed:
    if len(value) < 4 or value[0] % 2 == 0:
        raise _invalid("has a presentation context with an ID that is not odd")
    syntaxes: dict[int, list[str]] = {_ABSTRACT: [], _TRANSFER: []}
    for kind, uid in _items(value[4:]):
        if kind in syntaxes:
            syntaxes[kind].append(_uid(uid))
    if len(syntaxes[_ABSTRACT]) != 1 or not syntaxes[_TRANSFER]:
        raise _invalid("has a presentation context without its abstract or transfer syntax")
    return Proposed(value[0], syntaxes[_ABSTRACT][0], tuple(syntaxes[_TRANSFER]))


def _read_user(content: memoryview, user: _User) -> None:
    for kind, value in _items(content):
        if kind == _MAXIMUM_LENGTH:
            user.maximum_length = int.from_bytes(_exactly(value, 4), "big")
        elif kind == _ASYNCHRONOUS:
            _exactly(value, 4)
            user.asks_for_window = True
        elif kind == _ROLE:
            uid, rest = _counted(value)
            scu, scp = _exactly(rest, 2)
            user.roles[_uid(uid)] = (bool(scu), bool(scp))
        elif kind == _EXTENDED:  # the node has no use for what it says, but reads it to its end
            _counted(value)
        elif kind == _COMMON_EXTENDED:
            _require_common_extended(value)
        elif kind == _IDENTITY:
            _require_identity(value)


def _require_common_extended(value: memoryview) -> None:
    _, rest = _counted(value)
    _, rest = _counted(rest)
    related, rest = _counted(rest)
    while related:
        _, related = _counted(related)


def _require_identity(value: memoryview) -> None:
    """User identity is not used and not answered: peers are known by AE title, address and certificate."""
    if len(value) < 2:
        raise _invalid("has a user identity without its type")
    _, rest = _counted(value[2:])
    _counted(rest)


def _counted(value: memoryview) -> tuple[memoryview, memoryview]:
    """A field that is preceded by its length in two bytes, and what follows it."""
    if len(value) < 2:
        raise _invalid("has a sub-item that ends before a length")
    length = int.from_bytes(value[:2], "big")
    if 2 + length > len(value):
        raise _invalid("has a field that is longer than its sub-item")
    return value[2 : 2 + length], value[2 + length :]


def _exactly(value: memoryview, length: int) -> memoryview:
    if len(value) != length:
        raise _invalid("has a sub-item of a wrong length")
    return value


def _uid(value: memoryview) -> str:
    if not 0 < len(value) <= 65:  # some pad to an even length
        raise _invalid("has a UID that is empty or longer than 64 bytes")
    return bytes(value).rstrip(b"\0 ").decode("ascii", "replace")


def _ae_title(value: memoryview) -> str:
    title = bytes(value).strip(b"\0 ")
    if not all(32 <= byte < 127 and byte != 0x5C for byte in title):
        raise _invalid("has an AE title with characters that PS3.5 6.2 does not allow")
    return title.decode("ascii")


def _invalid(what: str) -> InvalidPduError:
    return InvalidPduError(f"its A-ASSOCIATE-RQ {what}", INVALID_PARAMETER)
