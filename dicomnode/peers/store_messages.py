"""What a service class user of C-STORE writes and reads, as bytes (PS3.7 9.3.1, PS3.8 9.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext

from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomnode.peers.association import DimsePeer

DATA = 4  # P-DATA-TF
COMMAND, LAST = 1, 2  # of a fragment's control header, PS3.8 E.2
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_LONGEST_DATA_PDU = 16384  # that comes to us: answers are small
_WRITTEN_AT_ONCE = 1 << 20
_STATUS, _OFFENDING, _COMMENT = 0x0900, 0x0901, 0x0902


@dataclass(frozen=True, slots=True)
class Answer:
    """A C-STORE response (PS3.7 9.3.1.2).

    Attributes:
        status: (0000,0900).
        comment: Error Comment (0000,0902), empty without.
        offending: Offending Element (0000,0901), such as ``(0010,0010)``; empty without.
    """

    status: int
    comment: str
    offending: str


def numbered_contexts(proposals: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """A presentation context for each pair of SOP class and transfer syntax."""
    contexts = []
    for number, (sop_class_uid, syntax) in enumerate(proposals):
        context = PresentationContext()
        context.context_id = 2 * number + 1
        context.abstract_syntax, context.transfer_syntax = sop_class_uid, [syntax]
        contexts.append(context)
    return contexts


def associate_request(peer: DimsePeer, contexts: Sequence[PresentationContext]) -> bytes:
    """An A-ASSOCIATE-RQ PDU."""
    request, length = A_ASSOCIATE(), MaximumLengthNotification()
    implementation, version = ImplementationClassUIDNotification(), ImplementationVersionNameNotification()
    request.application_context_name = _APPLICATION_CONTEXT
    request.calling_ae_title, request.called_ae_title = peer.calling_ae_title, peer.ae_title
    request.presentation_context_definition_list = list(contexts)
    length.maximum_length_received = _LONGEST_DATA_PDU
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    request.user_information = [length, implementation, version]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    encoded: bytes = pdu.encode()
    return encoded


def store_request(sop_class_uid: str, sop_instance_uid: str, message_id: int) -> bytes:
    """A C-STORE-RQ command set (PS3.7 table 9.3-1), Implicit VR Little Endian."""
    elements = (
        _uid(0x0002, sop_class_uid),
        _short(0x0100, 0x0001),
        _short(0x0110, message_id),
        _short(0x0700, 0),  # medium priority
        _short(0x0800, 0x0001),  # a data set follows
        _uid(0x1000, sop_instance_uid),
    )
    group = b"".join(elements)
    return struct.pack("<HHLL", 0, 0, 4, len(group)) + group


def _short(element: int, value: int) -> bytes:
    return struct.pack("<HHLH", 0, element, 2, value)


def _uid(element: int, uid: str) -> bytes:
    value = uid.encode("ascii") + b"\0" * (len(uid) % 2)
    return struct.pack("<HHL", 0, element, len(value)) + value


def joined(parts: Iterator[bytes | memoryview]) -> Iterator[bytes]:
    """Larger pieces: one write for a whole object costs less than one for each PDU."""
    held: list[bytes | memoryview] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _WRITTEN_AT_ONCE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def fragments_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Control header and value of each presentation data value of a P-DATA-TF."""
    at = 0
    while at < len(content):
        length, _, control = struct.unpack_from(">LBB", content, at)
        if length < 2 or at + 4 + length > len(content):
            raise ValueError("a fragment that is longer than its PDU")
        yield control, content[at + 6 : at + 4 + length]
        at += 4 + length


def read_answer(command: bytes) -> Answer:
    """Status, comment and offending element of a command set.

    Raises:
        ValueError: It has no status, or is cut off.
    """
    values: dict[int, bytes] = {}
    at = 0
    while at + 8 <= len(command):
        _, element, length = struct.unpack_from("<HHL", command, at)
        values[element] = command[at + 8 : at + 8 + length]
        at += 8 + length
    if at != len(command) or len(values.get(_STATUS, b"")) != 2:
        raise ValueError("an answer without a status")
    comment = values.get(_COMMENT, b"").decode("ascii", "replace").strip("\0 ")
    raw = values.get(_OFFENDING, b"")
    tags = [struct.unpack_from("<HH", raw, place) for place in range(0, len(raw) - 3, 4)]
    offending = ", ".join(f"({group:04X},{element:04X})" for group, element in tags)
    return Answer(struct.unpack("<H", values[_STATUS])[0], comment, offending)
