"""The state table of the node's own upper layer: against PS3.8 table 9-10, and each cell as it is carried out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pynetdicom.fsm import TRANSITION_TABLE

from dicomnode.archive import Archive
from dicomnode.intake.doorkeeper import Doorkeeper
from dicomnode.intake.upper_layer.association import Association, Terms
from dicomnode.intake.upper_layer.replies import abort, reject
from dicomnode.intake.upper_layer.requests import read_request
from dicomnode.intake.upper_layer.states import TABLE, Action, Event, State
from dicomnode.intake.upper_layer.wire import Wire
from dicomnode.settings import Settings
from tests.fuzz.pdus import associate_request, echo_request

ACCEPT, REJECT, DATA, RELEASE_REPLY, ABORT = 0x02, 0x03, 0x04, 0x06, 0x07
SENT = {  # what each action sends (PS3.8 tables 9-6 to 9-9), and the state that follows where the answer comes at once
    Action.AE_5: (None, None),
    Action.AE_6: (ACCEPT, State.ESTABLISHED),
    Action.AE_7: (ACCEPT, None),
    Action.AE_8: (REJECT, None),
    Action.DT_1: (DATA, None),
    Action.DT_2: (DATA, None),
    Action.AR_2: (RELEASE_REPLY, State.AWAITING_CLOSE),
    Action.AR_4: (RELEASE_REPLY, None),
    Action.AR_5: (None, None),
    Action.AR_7: (DATA, None),
    Action.AA_1: (ABORT, None),
    Action.AA_2: (None, None),
    Action.AA_3: (None, None),
    Action.AA_4: (None, None),
    Action.AA_5: (None, None),
    Action.AA_6: (None, None),
    Action.AA_7: (ABORT, None),
    Action.AA_8: (ABORT, None),
}
CLOSES = {Action.AA_2, Action.AA_3, Action.AA_4}
WITH_TIMER = {Action.AE_5, Action.AE_8, Action.AR_2, Action.AR_4, Action.AA_1, Action.AA_7, Action.AA_8}
WITHOUT_TIMER = {Action.AE_6, Action.AR_5, Action.AA_5}


class Link:
    address = "192.0.2.1"

    def lives(self) -> bool:
        return True

    def end(self) -> None:
        pass


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doorkeeper]:
    tables = {"node": {"data_dir": tmp_path_factory.mktemp("data")}, "receive": {"accept_unknown_peers": True}}
    settings = Settings.model_validate(tables)
    with Archive.open(settings) as archive:
        yield Doorkeeper(settings, archive, lambda: datetime.now(UTC))


class Scene:
    """An association in some state, and the other end of its connection."""

    def __init__(self, door: Doorkeeper, state: State) -> None:
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(5)
        self.wire = Wire(ours, 16384, 5.0)
        self.association = Association(self.wire, door, door.opened(Link()), Terms(16384, 60.0))
        if state is not State.IDLE:
            self.association.happens(Event.CONNECTION)
        self.association._request = read_request(memoryview(associate_request())[6:])
        self.association._outgoing = b"\x02\0\0\0\0\0"
        if state not in (State.IDLE, State.AWAITING_REQUEST):
            self.association.happens(Event.REQUEST_PDU)
            self.said()
        self.association.state = state
        self.association._content = memoryview(echo_request())[6:]

    def said(self) -> bytes:
        self.peer.setblocking(False)
        try:
            return self.peer.recv(65536)
        except BlockingIOError:
            return b""

    def end(self) -> None:
        self.wire.close()
        self.peer.close()


def test_the_table_is_that_of_the_standard() -> None:
    """Pynetdicom wrote it down independently; cells of other states than an acceptor's are left out."""
    theirs = {
        (event, state): action
        for (event, state), action in TRANSITION_TABLE.items()
        if state in {one.value for one in State} and event not in ("Evt1", "Evt2", "Evt11")
    }
    ours = {(f"Evt{event.value}", state.value): action.value for (event, state), (action, _) in TABLE.items()}
    assert ours == theirs
    assert len(TABLE) == 56


PDU_OF = {
    Action.AE_7: b"\x02",
    Action.AE_8: reject(1, 1, 1),
    Action.DT_1: b"\x04",
    Action.AR_7: b"\x04",
    Action.AR_4: b"\x06",
}


@pytest.mark.parametrize(("event", "state"), TABLE, ids=lambda one: one.name if isinstance(one, Event) else one.value)
def test_every_cell_is_carried_out(door: Doorkeeper, event: Event, state: State) -> None:
    action, following = TABLE[event, state]
    scene = Scene(door, state)
    association, wire = scene.association, scene.wire
    association._outgoing = PDU_OF.get(action, b"")
    try:
        association.happens(event)
        kind, at_once = SENT[action]
        said = scene.said()
        assert said[:1] == (b"" if kind is None else bytes([kind]))
        assert association.state is (at_once or following)
        if kind == ABORT:
            assert said[8] == (0 if action is Action.AA_1 else 2)
        if action in WITH_TIMER:
            assert wire.deadline is not None
        if action in WITHOUT_TIMER:
            assert wire.deadline is None
        if action in CLOSES:
            assert scene.peer.recv(1) == b""
    finally:
        scene.end()


def test_what_has_no_cell_cannot_happen(door: Doorkeeper) -> None:
    blank = [(event, state) for event in Event for state in State if (event, state) not in TABLE]
    assert len(blank) == len(Event) * len(State) - len(TABLE)
    local = {Event.CONNECTION, Event.ACCEPT, Event.REJECT, Event.SEND_DATA, Event.RELEASE, Event.ABORT}
    timer = {Event.ARTIM_EXPIRED}
    # A peer's PDUs and the close of its connection have a cell in every state that has a connection.
    assert all(state is State.IDLE for event, state in blank if event not in local | timer)


@pytest.mark.parametrize("fault", [ValueError("PatientName is Doe"), OSError(5, "I/O")])
def test_a_fault_of_the_node_ends_the_association_in_its_own_words(
    door: Doorkeeper, fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(door, State.ESTABLISHED)

    def fail(_content: memoryview) -> None:
        raise fault

    monkeypatch.setattr(scene.association._messages, "take", fail)
    try:
        scene.association.happens(Event.DATA_PDU)
        assert scene.said() == abort(0, 0)
        assert scene.association.state is State.AWAITING_CLOSE
        assert "Doe" not in caplog.text
    finally:
        scene.end()


@pytest.mark.parametrize("event", [Event.REQUEST_PDU, Event.DATA_PDU, Event.RELEASE_REQUEST_PDU])
def test_a_peer_that_is_gone_ends_it_in_every_state(door: Doorkeeper, event: Event) -> None:
    states = {
        Event.REQUEST_PDU: State.AWAITING_REQUEST,
        Event.DATA_PDU: State.ESTABLISHED,
        Event.RELEASE_REQUEST_PDU: State.ESTABLISHED,
    }
    scene = Scene(door, states[event])
    scene.peer.close()
    scene.association.happens(event)
    assert scene.association.state is State.IDLE
    scene.end()
