"""The listener and its peers over the wire: who is refused how, and who is cut off."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.sop_class import Verification

from dicomnode.archive import Archive
from dicomnode.archive.space import Space
from dicomnode.archive.tallies import Tally, day_of
from dicomnode.intake.watch import Patience, Watch
from dicomnode.settings import Settings
from tests.archives import MR, make_file
from tests.listeners import listening
from tests.peers_fixtures import wait_for
from tests.unit.intake.test_intake_scp import associate, dataset_of, send

CALLING_AE_TITLE, LOCAL_LIMIT = (1, 1, 3), (2, 3, 2)
MODALITY = {"name": "modality", "ae_title": "MODALITY", "addresses": ["127.0.0.0/8"]}


def settings(folder: Path, peer: dict[str, Any] | None = None, **receive: Any) -> Settings:
    tables = {"node": {"data_dir": folder}, "receive": {"port": 0} | receive, "peers": [MODALITY | (peer or {})]}
    return Settings.model_validate(tables)


def rejection(association: Any) -> tuple[int, int, int]:
    assert association.is_rejected
    answer = association.acceptor.primitive
    return answer.result, answer.result_source, answer.diagnostic


def counted(archive: Archive, **counts: int) -> Tally:
    """Wait until today's tallies show these counts of one peer."""

    def found() -> Tally | None:
        tallies = archive.tallies.of_day(day_of(datetime.now(UTC)))
        return next((one for one in tallies if all(getattr(one, key) == value for key, value in counts.items())), None)

    return wait_for(found, 20, f"counts {counts}")


def test_strangers_and_impostors_are_rejected_and_audited(tmp_path: Path, engine: str) -> None:
    with listening(settings(tmp_path / "a", {"ae_title": "OTHER"}, engine=engine)) as (port, archive):
        assert rejection(associate(port)) == CALLING_AE_TITLE
        assert rejection(associate(port)) == CALLING_AE_TITLE
        assert counted(archive, rejected=2).peer == "?"
        (entry,) = archive.audit.list()
        assert (entry.event, "'MODALITY'" in entry.detail) == ("security alert", True)
    with listening(settings(tmp_path / "b", {"addresses": ["192.0.2.0/24"]}, engine=engine)) as (port, archive):
        assert rejection(associate(port)) == CALLING_AE_TITLE
        assert counted(archive, rejected=1).peer == "modality"
        assert "does not call from 127.0.0.1" in archive.audit.list()[0].detail


def test_services_that_a_peer_may_not_use_are_not_negotiated(tmp_path: Path, engine: str) -> None:
    with listening(settings(tmp_path, {"may": ["echo"]}, engine=engine)) as (port, _):
        association = associate(port, MR, Verification)
        assert [str(cx.abstract_syntax) for cx in association.accepted_contexts] == [Verification]
        assert [(str(cx.abstract_syntax), cx.result) for cx in association.rejected_contexts] == [(MR, 3)]
        assert association.send_c_echo().Status == 0x0000
        association.release()


def test_a_peer_has_its_own_limit_of_associations(tmp_path: Path, engine: str) -> None:
    with listening(settings(tmp_path, {"maximum_associations": 1}, engine=engine)) as (port, _):
        first = associate(port)
        assert rejection(associate(port)) == LOCAL_LIMIT
        first.release()
        again = wait_for(lambda: (one := associate(port)).is_established and one, 10, "room for another")
        again.release()


def test_a_used_up_quota_refuses_for_now(tmp_path: Path, engine: str) -> None:
    size = len(make_file())  # and a little more, as the listener writes it: two of them are needed for the quota
    limited = settings(tmp_path, {"maximum_gib_per_day": 1.5 * size / 2**30}, engine=engine)
    with listening(limited) as (port, archive):
        association = associate(port)
        for number, status in ((1, 0x0000), (2, 0x0000), (3, 0xA700)):
            uid = f"1.2.3.{number}"
            assert send(association, dataset_of(make_file(uid)), uid=uid).Status == status
        assert rejection(associate(port)) == LOCAL_LIMIT
        association.release()
        tally = counted(archive, instances=2, refused=1, rejected=1)
        assert tally.size == sum(row.size for row in archive.tallies.of_day(tally.day)) > size
    with listening(limited) as (port, _):
        assert rejection(associate(port)) == LOCAL_LIMIT  # also after a restart


def test_without_room_associations_wait_and_instances_are_out_of_resources(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(settings(tmp_path, engine=engine)) as (port, archive):
        association = associate(port)
        monkeypatch.setattr(archive.space, "look", lambda: Space(0, 0, "only 0 MiB"))
        assert send(association, dataset_of(make_file())).Status == 0xA700
        assert rejection(associate(port)) == LOCAL_LIMIT
        echo = associate(port, Verification)
        assert echo.send_c_echo().Status == 0x0000
        monkeypatch.undo()
        assert send(association, dataset_of(make_file())).Status == 0x0000
        for one in (association, echo):
            one.release()


def test_repetitions_and_conflicts_are_counted(tmp_path: Path, engine: str) -> None:
    with listening(settings(tmp_path, engine=engine)) as (port, archive):
        association = associate(port)
        data = dataset_of(make_file())
        other = dataset_of(make_file(InstanceNumber=9))
        assert [send(association, each).Status for each in (data, data, other)] == [0x0000, 0x0000, 0xC111]
        association.release()
        counted(archive, instances=2, duplicates=1, conflicts=1, refused=0)
        assert len(list((tmp_path / "conflicts").rglob("*.dcm"))) == 1


@contextmanager
def dribbling(connection: socket.socket) -> Iterator[None]:
    """Give the listener a byte of a PDU now and then."""
    stop = threading.Event()

    def dribble() -> None:
        with suppress(OSError):
            while not stop.wait(0.05):
                connection.sendall(b"\0")

    thread = threading.Thread(target=dribble)
    thread.start()
    yield
    stop.set()
    thread.join()


def ended(connection: socket.socket) -> bytes:
    """What the listener says until it closes the connection."""
    connection.settimeout(20)
    said = b""
    with suppress(ConnectionError):
        while data := connection.recv(100):
            said += data
    return said


@pytest.mark.parametrize("start", [b"", b"\x01\x00\x00\x00\x10\x00"], ids=["silent", "slow request"])
def test_connections_that_never_ask_are_ended(tmp_path: Path, engine: str, start: bytes) -> None:
    with (
        listening(settings(tmp_path, engine=engine, network_timeout_seconds=0.6)) as (port, archive),
        socket.create_connection(("127.0.0.1", port)) as connection,
    ):
        connection.sendall(start)
        if start:
            with dribbling(connection):
                ended(connection)
        else:
            ended(connection)
            return  # pynetdicom's own timer may be first
        counted(archive, dropped=1)


def test_a_slow_pdu_is_ended_and_what_came_whole_is_kept(tmp_path: Path, engine: str) -> None:
    with listening(settings(tmp_path, engine=engine, network_timeout_seconds=1.0)) as (port, archive):
        association = associate(port)
        assert send(association, dataset_of(make_file())).Status == 0x0000
        connection = association.dul.socket.socket
        connection.sendall(b"\x04\x00\x00\x01\x00\x00")
        with dribbling(connection):
            wait_for(lambda: association.is_aborted, 20, "the end of the association")
        counted(archive, instances=1, dropped=1)
        assert archive.instances.exists("1.2.3.1")
        again = associate(port)
        assert again.is_established
        again.release()


def test_an_association_that_only_echoes_is_idle(tmp_path: Path, engine: str) -> None:
    with listening(settings(tmp_path, engine=engine, idle_timeout_seconds=1.0)) as (port, archive):
        association = associate(port, MR, Verification)
        deadline = time.monotonic() + 20
        while association.is_established and time.monotonic() < deadline:
            association.send_c_echo()
            time.sleep(0.05)
        assert association.is_aborted
        counted(archive, dropped=1)


class Still:
    """A connection without a socket."""

    address = "192.0.2.1"

    def lives(self) -> bool:
        return True

    def end(self) -> None:
        pass


def test_of_many_that_wait_the_oldest_ends() -> None:
    dropped: list[str] = []
    now = itertools.count()
    watch = Watch(Patience(10, 100, 1 << 32), dropped.append, lambda: float(next(now)))
    calls = [watch.opened(Still()) for _ in range(66)]
    assert dropped == ["?", "?"]
    assert [call.cut for call in calls[:3]] == [True, True, False]
    assert watch.counts() == {}


def test_what_the_node_works_for_is_not_idle() -> None:
    now = [0.0]
    watch = Watch(Patience(10, 100, 1 << 32), lambda _: None, lambda: now[0])
    one = watch.opened(Still())
    now[0] = 11.0
    assert [reason.split(" for ")[0] for _, reason in watch.overdue()] == ["no association request came"]
    with watch.at_work(one):
        pass
    now[0] = 20.0
    assert watch.overdue() != []  # nobody was admitted: that was no work for a peer
    watch.came(one, 100)
    assert watch.overdue() == []
    for now[0] in range(20, 120, 9):
        watch.came(one, 100)
    assert [reason.split(" for ")[0] for _, reason in watch.overdue()] == ["it stored nothing"]
    watch.came(one, 1 << 20)
    assert watch.overdue() == []


def test_an_instance_without_end_is_cut_off(tmp_path: Path, engine: str) -> None:
    with listening(settings(tmp_path, engine=engine, maximum_instance_bytes=200_000)) as (port, archive):
        association = associate(port)
        small, large = (dataset_of(make_file(f"1.2.3.{size}", PixelData=bytes(size))) for size in (150_000, 8_000_000))
        for _ in range(2):  # the bound is one instance's, not the association's
            assert send(association, small, uid="1.2.3.150000").Status == 0x0000
        assert send(association, large, uid="1.2.3.8000000") is None
        assert counted(archive, dropped=1).peer == "modality"
        assert archive.instances.exists("1.2.3.150000") and not archive.instances.exists("1.2.3.8000000")
