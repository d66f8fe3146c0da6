"""Several processes that receive on one port: limits hold for all of them, and one that is killed comes back."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.errors import SettingsError
from dicomnode.intake.seats import Seats
from dicomnode.node.receiving import Receiving
from dicomnode.node.roles import now
from dicomnode.settings import Settings
from dicomnode.settings.network import ReceiveSettings
from tests.archives import make_file
from tests.peers_fixtures import wait_for
from tests.unit.intake.test_intake_scp import associate, dataset_of, send


def test_seats_are_counted_over_processes(tmp_path: Path) -> None:
    first, second = (Seats(tmp_path / "run" / "seats", ["a", "b", "a"], 2, place) for place in (0, 1))
    with first.held():
        first.tell({"a": 2})
    with second.held():
        second.tell({"a": 1, "b": 4})
        assert second.counts() == first.counts() == {"a": 3, "b": 4}
    first.clear(1)
    assert second.counts() == {"a": 2, "b": 0}
    for seats in (first, second):
        seats.close()


def test_pynetdicom_has_one_process() -> None:
    with pytest.raises(ValueError, match="engine = own"):
        ReceiveSettings(engine="pynetdicom", processes=2)


def test_two_processes_share_port_and_limits(tmp_path: Path) -> None:
    receive = {"port": 0, "accept_unknown_peers": True, "processes": 2, "maximum_associations": 3}
    settings = Settings.model_validate({"node": {"data_dir": tmp_path}, "receive": receive})
    stop, started, ports = threading.Event(), threading.Event(), list[int]()

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    with Archive.open(settings) as archive:
        receiving = Receiving(settings, archive, now)
        thread = threading.Thread(target=receiving.run, args=(stop, ready))
        thread.start()
        try:
            assert started.wait(20)
            child = receiving._children[1].process
            for turn in range(2):
                opened = [associate(ports[0]) for _ in range(4)]
                assert [one.is_established for one in opened] == [True, True, True, False]
                for number, one in enumerate(opened[:3]):
                    uid = f"1.2.3.{turn + 1}{number}"
                    assert send(one, dataset_of(make_file(uid)), uid=uid).Status == 0x0000
                    one.release()
                if turn == 0:
                    os.kill(child.pid or 0, signal.SIGKILL)
                    wait_for(lambda: receiving._children[1].process.pid != child.pid, 30, "another process")
            wait_for(lambda: archive.studies.record("1.2.3").source_instances == 6, 20, "all instances")
        finally:
            stop.set()
            thread.join(30)
    assert not thread.is_alive() and not receiving._children[1].process.is_alive()


def test_a_port_that_is_taken_is_said_by_all(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        receive = {"port": taken.getsockname()[1], "processes": 2}
        settings = Settings.model_validate({"node": {"data_dir": tmp_path}, "receive": receive})
        with Archive.open(settings) as archive, pytest.raises(SettingsError, match=r"receive\.port"):
            Receiving(settings, archive, now).run(threading.Event(), lambda _: None)
