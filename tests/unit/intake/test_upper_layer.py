"""The node's own upper layer, PDU by PDU: what a peer may send, and what it must not."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from dicomnode.archive import Archive
from dicomnode.intake.upper_layer.commands import CommandError, read_command, write_response
from dicomnode.intake.upper_layer.messages import fragments
from dicomnode.intake.upper_layer.replies import command_pdus
from dicomnode.intake.upper_layer.requests import InvalidPduError, read_request
from tests.archives import MR, make_file
from tests.listeners import listening
from tests.peers_fixtures import wait_for
from tests.unit.intake.test_intake_scp import dataset_of, settings

ECHO, STORE, COMMIT = 1, 3, 5
C_STORE, C_ECHO, C_CANCEL, C_FIND, N_EVENT_REPORT = 0x0001, 0x0030, 0x0FFF, 0x0020, 0x0100


def request(*extensions: object, longest: int = 16382, application: str = "1.2.840.10008.3.1.1.1") -> bytes:
    """An A-ASSOCIATE-RQ as pynetdicom writes it."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = application
    primitive.calling_ae_title, primitive.called_ae_title = "MODALITY", "DICOMNODE"
    contexts = [build_context(uid, [ImplicitVRLittleEndian]) for uid in (Verification, MR, StorageCommitmentPushModel)]
    contexts[1].transfer_syntax = ["1.2.3.4.5", ExplicitVRLittleEndian]
    for context, number in zip(contexts, (ECHO, STORE, COMMIT), strict=True):
        context.context_id = number
    primitive.presentation_context_definition_list = contexts
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = longest, "1.2.3"
    primitive.user_information = [length, implementation, *extensions]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def extensions() -> list[object]:
    """One of every kind of extended negotiation."""
    window, role = AsynchronousOperationsWindowNegotiation(), SCP_SCU_RoleSelectionNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 8
    role.sop_class_uid, role.scu_role, role.scp_role = StorageCommitmentPushModel, False, True
    extended, common = SOPClassExtendedNegotiation(), SOPClassCommonExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = MR, b"\x02\0\x03\0\1\0"
    common.sop_class_uid, common.service_class_uid = MR, "1.2.840.10008.4.2"
    common.related_general_sop_class_identification = ["1.2.840.10008.5.1.4.1.1.88.22"]
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field, identity.secondary_field = 2, b"name", b"secret"
    identity.positive_response_requested = True
    return [window, role, extended, common, identity]


def command(field: int, context: int = STORE, data_set: bool = False, uid: str = "1.2.3.1", **more: int) -> bytes:
    """A command set, without fragmentation."""
    classes = {ECHO: Verification, STORE: MR, COMMIT: StorageCommitmentPushModel}
    elements = [(0x0002, even(classes[context])), (0x0100, struct.pack("<H", field)), (0x0110, b"\x07\0")]
    elements.append((0x0800, b"\1\0" if data_set else b"\1\1"))
    elements.append((0x1000, even(uid)))
    elements += [(0x1002, struct.pack("<H", value)) for value in more.values()]
    body = b"".join(struct.pack("<HHI", 0, number, len(value)) + value for number, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def even(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def item(context: int, control: int, fragment: bytes) -> bytes:
    return struct.pack(">IBB", len(fragment) + 2, context, control) + fragment


def data_pdu(*items: bytes) -> bytes:
    content = b"".join(items)
    return struct.pack(">BxI", 4, len(content)) + content


RELEASE = b"\x05\0\0\0\0\4\0\0\0\0"


class Peer:
    """The other end of a connection to the listener."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, *pdus: bytes) -> None:
        for pdu in pdus:
            self.socket.sendall(pdu)

    def hear(self) -> tuple[int, bytes]:
        """Kind and content of the next PDU; kind 0 at the end."""
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxI", head)
        return kind, self._exactly(length)

    def status(self) -> tuple[int, int]:
        """Context ID and status of the next response."""
        kind, content = self.hear()
        assert kind == 4, (kind, content)
        response = content[6:]
        at = response.index(struct.pack("<HHI", 0, 0x0900, 2)) + 8
        return content[4], int.from_bytes(response[at : at + 2], "little")

    def _exactly(self, count: int) -> bytes:
        data = b""
        with suppress(ConnectionError):
            while len(data) < count and (more := self.socket.recv(count - len(data))):
                data += more
        return data


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Archive]]:
    with listening(settings(tmp_path_factory.mktemp("node"), engine="own")) as running:
        yield running


@contextmanager
def associated(port: int, first: bytes | None = None) -> Iterator[Peer]:
    peer = Peer(port)
    try:
        peer.say(first or request())
        assert peer.hear()[0] == 2
        yield peer
    finally:
        peer.socket.close()


def stored(uid: str, size: int = 4096) -> bytes:
    return dataset_of(make_file(uid, PixelData=bytes(size)))


def test_a_request_with_every_extension_is_read_and_answered(listener: tuple[int, Archive]) -> None:
    peer = Peer(listener[0])
    peer.say(request(*extensions()))
    kind, content = peer.hear()
    assert kind == 2
    answer = A_ASSOCIATE_AC()
    answer.decode(struct.pack(">BxI", 2, len(content)) + content)
    accepted = answer.to_primitive()
    assert [(one.context_id, one.result) for one in accepted.presentation_context_definition_results_list] == [
        (ECHO, 0),
        (STORE, 0),
        (COMMIT, 3),  # a stranger may not report
    ]
    assert str(answer.presentation_context[1].transfer_syntax) == ExplicitVRLittleEndian
    window = next(one for one in accepted.user_information if type(one) is AsynchronousOperationsWindowNegotiation)
    assert (window.maximum_number_operations_invoked, window.maximum_number_operations_performed) == (1, 1)
    assert accepted.maximum_length_received == 131072
    assert not any(isinstance(one, SCP_SCU_RoleSelectionNegotiation) for one in accepted.user_information)
    peer.socket.close()


@pytest.mark.parametrize(
    ("first", "answer"),
    [
        (request(application="1.2.3"), (1, 1, 2)),
        (request()[:6] + b"\0\2" + request()[8:], (1, 2, 2)),
    ],
    ids=["application context", "protocol version"],
)
def test_requests_of_another_kind_are_rejected(
    listener: tuple[int, Archive], first: bytes, answer: tuple[int, int, int]
) -> None:
    peer = Peer(listener[0])
    peer.say(first)
    kind, content = peer.hear()
    assert (kind, tuple(content[1:])) == (3, answer)
    peer.socket.close()


def test_fragments_come_in_any_pieces(listener: tuple[int, Archive]) -> None:
    """Several in one PDU, a command in two, data of no bytes, and a connection that gives byte after byte."""
    port, archive = listener
    content, sent = stored("1.2.8.1"), command(C_STORE, data_set=True, uid="1.2.8.1")
    with associated(port) as peer:
        peer.say(
            data_pdu(item(STORE, 1, sent[:20]), item(STORE, 3, sent[20:]), item(STORE, 0, content[:100])),
            data_pdu(item(STORE, 0, b""), item(STORE, 0, content[100:1001])),
        )
        last = data_pdu(item(STORE, 2, content[1001:]))
        for at in range(40):
            peer.say(last[at : at + 1])
        peer.say(last[40:])
        assert peer.status() == (STORE, 0x0000)
        peer.say(RELEASE)
        assert peer.hear() == (6, bytes(4))
    assert dataset_of(archive.instances.get("1.2.8.1").path.read_bytes()) == content


def test_messages_of_several_contexts_may_be_interleaved(listener: tuple[int, Archive]) -> None:
    port, archive = listener
    content = stored("1.2.8.2")
    with associated(port) as peer:
        peer.say(
            data_pdu(item(STORE, 3, command(C_STORE, data_set=True, uid="1.2.8.2")), item(STORE, 0, content[:500])),
            data_pdu(item(ECHO, 3, command(C_ECHO, ECHO)), item(STORE, 0, content[500:900])),
            data_pdu(item(ECHO, 3, command(C_CANCEL, ECHO)), item(STORE, 2, content[900:])),
        )
        assert [peer.status(), peer.status()] == [(ECHO, 0x0000), (STORE, 0x0000)]
    assert archive.instances.exists("1.2.8.2")


def test_operations_that_are_not_served_are_answered_so(listener: tuple[int, Archive]) -> None:
    with associated(listener[0]) as peer:
        peer.say(data_pdu(item(ECHO, 3, command(C_FIND, ECHO, data_set=True))), data_pdu(item(ECHO, 2, b"\0\0")))
        assert peer.status() == (ECHO, 0x0211)
        peer.say(data_pdu(item(STORE, 3, command(C_ECHO))))
        assert peer.status() == (STORE, 0x0211)
        peer.say(
            data_pdu(item(ECHO, 3, command(C_ECHO | 0x8000, ECHO))), data_pdu(item(ECHO, 3, command(C_ECHO, ECHO)))
        )
        assert peer.status() == (ECHO, 0x0000)  # a response that nobody waits for is passed over


UNEXPECTED, INVALID = (2, 2), (2, 6)
BY_USER = (0, 0)


@pytest.mark.parametrize(
    ("pdus", "abort"),
    [
        ([request()], UNEXPECTED),
        ([b"\x02\0\0\0\0\4\0\0\0\0"], UNEXPECTED),
        ([b"\x06\0\0\0\0\4\0\0\0\0"], UNEXPECTED),
        ([b"\x09\0\0\0\0\4\0\0\0\0"], (2, 1)),
        ([b"\x05\0\0\0\0\5\0\0\0\0\0"], INVALID),
        ([b"\x04\0\xff\xff\xff\xff"], INVALID),
        ([data_pdu()], INVALID),
        ([data_pdu(b"\0\0\0\x01\x03")], INVALID),
        ([data_pdu(b"\0\0\0\xff\x03\x03abc")], INVALID),
        ([data_pdu(item(7, 3, command(C_ECHO, ECHO)))], INVALID),
        ([data_pdu(item(COMMIT, 3, command(N_EVENT_REPORT, COMMIT, event=1)))], INVALID),
        ([data_pdu(item(STORE, 2, b"data"))], BY_USER),
        ([data_pdu(item(STORE, 3, b"\0\0\0\0\4\0\0\0\xff"))], BY_USER),
        ([data_pdu(item(STORE, 3, command(C_STORE, data_set=True)), item(STORE, 3, command(C_ECHO)))], BY_USER),
        ([data_pdu(item(STORE, 1, bytes(60_000)))] * 2, BY_USER),
    ],
)
def test_what_breaks_the_protocol_is_aborted(
    listener: tuple[int, Archive], pdus: Sequence[bytes], abort: tuple[int, int]
) -> None:
    with associated(listener[0]) as peer:
        peer.say(*pdus)
        kind, content = peer.hear()
        assert (kind, tuple(content[2:])) == (7, abort)


@pytest.mark.parametrize(
    "first", [RELEASE, data_pdu(item(1, 3, b"")), b"GET / HTTP/1.1\r\n\r\n", request()[:90] + b"\xff"]
)
def test_what_is_no_request_is_aborted(listener: tuple[int, Archive], first: bytes) -> None:
    peer = Peer(listener[0])
    peer.say(first)
    peer.socket.shutdown(socket.SHUT_WR)
    assert peer.hear()[0] in (7, 0)
    peer.socket.close()


@pytest.mark.parametrize("end", [RELEASE, b"\x07\0\0\0\0\4\0\0\0\0", b""], ids=["release", "abort", "close"])
def test_an_instance_that_does_not_come_whole_leaves_nothing(tmp_path: Path, end: bytes) -> None:
    with listening(settings(tmp_path, engine="own")) as (port, archive):
        with associated(port) as peer:
            peer.say(
                data_pdu(item(STORE, 3, command(C_STORE, data_set=True, uid="1.2.8.3")), item(STORE, 0, bytes(900)))
            )
            peer.say(end)
            if end == RELEASE:
                assert peer.hear()[0] == 6
        assert not archive.instances.exists("1.2.8.3")
        staging = tmp_path / "staging"
        wait_for(lambda: not [path for path in staging.rglob("*") if path.is_file() and path.suffix != ".lock"], 10)


def test_small_answers_suit_a_peer_that_takes_little() -> None:
    read = read_command(command(C_ECHO, ECHO))
    response = write_response(read, 0xC000, "not a readable DICOM data set")
    pdus = list(command_pdus(ECHO, response, 20))
    assert all(len(pdu) <= 26 for pdu in pdus)
    pieces = [fragment for pdu in pdus for fragment in fragments(memoryview(pdu)[6:])]
    assert b"".join(bytes(piece) for _, _, piece in pieces) == response
    assert [control for _, control, _ in pieces] == [1] * (len(pieces) - 1) + [3]


def test_every_cut_of_a_request_is_refused_in_its_own_words() -> None:
    whole = request(*extensions())[6:]
    assert read_request(memoryview(whole)).roles == {StorageCommitmentPushModel: (False, True)}
    chance = random.Random(7)
    for end in range(len(whole)):
        with suppress(InvalidPduError):
            read_request(memoryview(whole[:end]))
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with suppress(InvalidPduError):
            read_request(memoryview(damaged))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_refused(data: bytes) -> None:
    for tried in (data, command(C_STORE)[: len(data)] + data):
        with suppress(CommandError):
            read_command(tried)
    with suppress(InvalidPduError):
        list(fragments(memoryview(data)))
    with suppress(InvalidPduError):
        read_request(memoryview(bytes(68) + data))


def test_a_peer_that_does_not_close_is_left(tmp_path: Path) -> None:
    """ARTIM, after the release."""
    with (
        listening(settings(tmp_path, engine="own", network_timeout_seconds=0.5)) as (port, _),
        associated(port) as peer,
    ):
        peer.say(RELEASE)
        assert peer.hear()[0] == 6
        started = time.monotonic()
        assert peer.hear() == (0, b"")
        assert time.monotonic() - started < 15


def test_open_associations_are_aborted_at_the_end(tmp_path: Path) -> None:
    with listening(settings(tmp_path, engine="own")) as (port, _):
        association = AE("MODALITY")
        association.add_requested_context(MR, [ExplicitVRLittleEndian])
        opened = association.associate("127.0.0.1", port)
        assert opened.is_established
    wait_for(lambda: opened.is_aborted, 10, "the abort")
