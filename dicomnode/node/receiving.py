"""The receive role in one process or in several, which share the listening socket."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from dicomnode.archive import Archive
from dicomnode.errors import ArchiveError, DicomNodeError, describe
from dicomnode.intake.admission import UNKNOWN, rules_of
from dicomnode.intake.scp import bound, recover, serve_dimse, serve_shared
from dicomnode.intake.seats import Seats
from dicomnode.node.log_setup import set_up_logging
from dicomnode.settings import Settings

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 2.0
_GRACE_SECONDS = 8.0
# What a sender waits for comes before what is indexed beside it: Python's own 5 ms are as long as ten slices take.
_SWITCH_SECONDS = 0.0005
Clock = Callable[[], datetime]


@dataclass(slots=True)
class _Child:
    """A process beside the role's own; it ends when its lifeline does."""

    process: SpawnProcess
    lifeline: Connection


class Receiving:
    """The listener of the receive role.

    Args:
        settings: The node's settings.
        archive: Where instances go.
        clock: Present time; a function of a module, which other processes can find.
    """

    def __init__(self, settings: Settings, archive: Archive, clock: Clock) -> None:
        self._settings = settings
        self._archive = archive
        self._clock = clock
        self._children: dict[int, _Child] = {}

    def run(self, stop: threading.Event, ready: Callable[[int], None]) -> None:
        """Listen until stopped."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        if self._settings.receive.processes == 1:
            serve_dimse(self._settings, self._archive, stop, ready, self._clock)
            return
        recover(self._settings, self._archive, self._clock)
        with bound(self._settings) as listener, closing(seats_of(self._settings, 0)) as seats:
            for place in range(self._settings.receive.processes):
                seats.clear(place)
            with self._others(listener, seats, stop):
                serve_shared(self._settings, self._archive, listener, seats, stop, ready, self._clock)

    @contextmanager
    def _others(self, listener: socket.socket, seats: Seats, stop: threading.Event) -> Iterator[None]:
        for place in range(1, self._settings.receive.processes):
            self._start(place, listener)
        keeper = threading.Thread(target=self._keep, args=(listener, seats, stop), name="receivers", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            stop.set()
            keeper.join()
            for child in self._children.values():
                child.lifeline.close()
            for child in self._children.values():
                child.process.join(_GRACE_SECONDS)
                if child.process.is_alive():
                    child.process.kill()

    def _start(self, place: int, listener: socket.socket) -> None:
        context = multiprocessing.get_context("spawn")
        theirs, ours = context.Pipe(duplex=False)
        arguments = (self._settings, listener, place, theirs, self._clock)
        process = context.Process(target=_receive_beside, args=arguments, name=f"receive {place}", daemon=True)
        process.start()
        theirs.close()
        self._children[place] = _Child(process, ours)

    def _keep(self, listener: socket.socket, seats: Seats, stop: threading.Event) -> None:
        """Start anew what has ended, once what it had acknowledged is indexed."""
        while not stop.wait(_LOOK_SECONDS):
            for place, child in list(self._children.items()):
                if child.process.is_alive():
                    continue
                _log.warning("receive process %d ended with status %s; starts again", place, child.process.exitcode)
                child.lifeline.close()
                seats.clear(place)
                try:
                    self._archive.instances.take_over()
                    self._archive.associations.close_dead(self._clock())
                except ArchiveError as error:
                    _log.error("what a receive process left is put right later: %s", error)
                if not stop.wait(_PAUSE_SECONDS):
                    self._start(place, listener)


def seats_of(settings: Settings, place: int) -> Seats:
    """The table of associations, as the process of this place uses it."""
    path: Path = settings.node.data_dir / "run" / "receive.seats"
    peers = [*(peer.name for peer in rules_of(settings).peers), UNKNOWN]
    return Seats(path, peers, settings.receive.processes, place)


def _receive_beside(
    settings: Settings, listener: socket.socket, place: int, lifeline: Connection, clock: Clock
) -> None:
    """Receive in a process of its own until the lifeline ends; the role's own process hears the signals."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    set_up_logging(settings.log)
    sys.setswitchinterval(_SWITCH_SECONDS)
    stop = threading.Event()
    threading.Thread(target=_wait_for_end, args=(lifeline, stop), daemon=True).start()
    try:
        with Archive.open(settings) as archive, closing(seats_of(settings, place)) as seats:
            serve_shared(settings, archive, listener, seats, stop, lambda _: None, clock)
    except DicomNodeError as error:
        _log.error("receive process %d: %s", place, describe(error))
        raise SystemExit(1) from error


def _wait_for_end(lifeline: Connection, stop: threading.Event) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        stop.set()
