"""A fuzzer of the DICOM upper layer (PS3.8 9.3): PDUs that a running listener must survive."""

from __future__ import annotations

import random
import socket
import struct
from contextlib import suppress

from tests.fuzz.mutations import mutated

_VERIFICATION = b"1.2.840.10008.1.1"
_MR = b"1.2.840.10008.5.1.4.1.1.4"
_IMPLICIT = b"1.2.840.10008.1.2"
_TIMEOUT_SECONDS = 2.0


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _pdu(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(content)) + content


def associate_request(calling: bytes = b"MODALITY") -> bytes:
    """A-ASSOCIATE-RQ with two presentation contexts."""
    contexts = b"".join(
        _item(0x20, bytes([number, 0, 0, 0]) + _item(0x30, syntax) + _item(0x40, _IMPLICIT))
        for number, syntax in ((1, _VERIFICATION), (3, _MR))
    )
    user = _item(0x50, _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3"))
    fixed = struct.pack(">H2x16s16s32x", 1, b"DICOMNODE".ljust(16), calling.ljust(16))
    return _pdu(0x01, fixed + _item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + user)


def echo_request() -> bytes:
    """P-DATA-TF with a C-ECHO-RQ."""
    elements = [(0x0002, _VERIFICATION + b"\0"), (0x0100, b"\x30\0"), (0x0110, b"\1\0"), (0x0800, b"\1\1")]
    body = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in elements)
    command = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    return _pdu(0x04, struct.pack(">IBB", len(command) + 2, 1, 0x03) + command)


def store_request(instance: bytes = b"1.2.3.4") -> list[bytes]:
    """P-DATA-TFs with a C-STORE-RQ and a data set that is cut off, in fragments."""
    elements = [(0x0002, _MR + b"\0"), (0x0100, b"\1\0"), (0x0110, b"\2\0"), (0x0700, b"\0\0"), (0x0800, b"\0\0")]
    elements.append((0x1000, instance + b"\0" * (len(instance) % 2)))
    body = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in elements)
    command = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    data = struct.pack("<HHI", 0x0008, 0x0018, len(instance)) + instance
    pieces = [(0x01, command[:30]), (0x03, command[30:]), (0x00, data[:5]), (0x02, data[5:])]
    return [_pdu(0x04, struct.pack(">IBB", len(piece) + 2, 3, control) + piece) for control, piece in pieces]


RELEASE, ABORT = _pdu(0x05, bytes(4)), _pdu(0x07, bytes(4))


def conversation(chance: random.Random) -> list[bytes]:
    """Some PDUs in any order, some of them damaged."""
    whole = [associate_request(), echo_request(), RELEASE, ABORT, _pdu(0x02, bytes(70)), _pdu(0x03, bytes(4))]
    chosen = [associate_request()] if chance.random() < 0.8 else []
    chosen += chance.choices(whole, k=chance.randint(0, 4))
    if chance.random() < 0.4:
        chosen += store_request()
    return [mutated(pdu, chance) if chance.random() < 0.6 else pdu for pdu in chosen]


def talk(port: int, pdus: list[bytes]) -> bytes:
    """Send PDUs to a listener on 127.0.0.1 and give what it answers, until it closes or is silent."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, suppress(OSError):
        connection.settimeout(_TIMEOUT_SECONDS)
        for pdu in pdus:
            connection.sendall(pdu)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            answer += data
    return answer


def answers_echo(port: int) -> bool:
    """Whether the listener still accepts an association and answers a C-ECHO."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.settimeout(20)
        connection.sendall(associate_request())
        answer = connection.recv(65536)
        if answer[:1] != b"\x02":
            return False
        connection.sendall(echo_request())
        answer = connection.recv(65536)
        connection.sendall(RELEASE)
    return answer[:1] == b"\x04"
