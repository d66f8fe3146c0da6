"""Who is connected, and the end of those that hold a connection without using it.

A sender that gives a byte now and then would hold its thread for ever, since pynetdicom waits for the rest of a PDU
without any limit, and an association that only echoes is never idle. Here the clock runs beside whichever engine it is.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from dicomnode.intake.admission import UNKNOWN, Peer

_LOG = logging.getLogger(__name__)
_ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"  # A-ABORT by the service provider, no reason (PS3.8 table 9-26)
_ROUND_SECONDS = 0.5
_MOST_WAITING = 64
# In the time after which an association counts as idle, a large instance on a slow line brings at least so much.
_PROGRESS_BYTES = 1 << 20


class Link(Protocol):
    """A connection, as its engine knows it."""

    @property
    def address(self) -> str:
        """Where it comes from."""

    def lives(self) -> bool:
        """Whether somebody still attends to it."""

    def end(self) -> None:
        """Abort it, if the peer still listens, and close it; called by another thread than its own."""


@dataclass(slots=True, eq=False)
class Call:
    """A connection; times are of the monotonic clock, in seconds.

    Attributes:
        link: The connection itself.
        last_pdu: When it was opened, or its last whole PDU came.
        last_progress: When it was opened, an instance was answered, or another `_PROGRESS_BYTES` had come.
        bytes_since: That came since then.
        bytes_of_instance: That came since the last instance was answered.
        peer: Who it is, None before it asked for an association.
        busy: Whether the node is at work for it.
        cut: Whether it was ended here.
    """

    link: Link
    last_pdu: float
    last_progress: float
    bytes_since: int = 0
    bytes_of_instance: int = 0
    peer: Peer | None = None
    busy: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """What a connection may do before it is ended.

    Attributes:
        silence: Seconds until the next whole PDU.
        idle: Seconds until the next instance.
        largest: Bytes of an instance.
    """

    silence: float
    idle: float
    largest: int


class Watch:
    """Every connection of a listener; called by the threads of all of them."""

    def __init__(
        self, patience: Patience, on_cut: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args: patience, what is called with the peer's name for each connection that is cut, a monotonic clock."""
        self._patience = patience
        self._on_cut = on_cut
        self._clock = clock
        self._calls: set[Call] = set()
        self._guard = threading.Lock()

    def opened(self, link: Link) -> Call:
        """Note a connection; of many that have not yet said who they are, the oldest ends."""
        now = self._clock()
        call = Call(link, now, now)
        with self._guard:
            self._calls.add(call)
            waiting = [call for call in self._calls if call.peer is None and not call.cut]
        if len(waiting) > _MOST_WAITING:
            self.cut(min(waiting, key=lambda one: one.last_progress), "more connections wait for it to say who it is")
        return call

    def came(self, call: Call, size: int) -> None:
        """Note a whole PDU."""
        call.last_pdu = self._clock()
        call.bytes_since += size
        call.bytes_of_instance += size
        if call.bytes_since >= _PROGRESS_BYTES:
            call.bytes_since, call.last_progress = 0, call.last_pdu
        if call.bytes_of_instance > self._patience.largest and not call.cut:
            # At once: a fast sender fills memory or disk within a round
            largest = f"{self._patience.largest} bytes (receive.maximum_instance_bytes)"
            self.cut(call, f"an instance has more than {largest}")

    def admitted(self, call: Call, peer: Peer) -> None:
        """Note whose association it is."""
        with self._guard:
            call.peer = peer

    @contextmanager
    def at_work(self, call: Call) -> Iterator[None]:
        """While the node works for an association, it is neither silent nor idle."""
        if call.peer is None:
            yield
            return
        call.busy = True
        try:
            yield
        finally:
            now = self._clock()
            call.last_pdu, call.last_progress, call.bytes_since, call.bytes_of_instance = now, now, 0, 0
            call.busy = False

    def closed(self, call: Call) -> None:
        """Note the end of a connection."""
        with self._guard:
            self._calls.discard(call)

    def counts(self) -> dict[str, int]:
        """Open associations by the peer's name."""
        with self._guard:
            return dict(Counter(call.peer.name for call in self._calls if call.peer is not None))

    def overdue(self) -> list[tuple[Call, str]]:
        """Connections that are to be ended, each with the reason."""
        now = self._clock()
        with self._guard:
            self._calls = {call for call in self._calls if call.link.lives()}
            calls = list(self._calls)
        return [(call, reason) for call in calls if not call.cut and (reason := self._complaint(call, now))]

    def run(self, stop: threading.Event) -> None:
        """End what is overdue until stopped."""
        while not stop.wait(_ROUND_SECONDS):
            for call, reason in self.overdue():
                self.cut(call, reason)

    def cut(self, call: Call, reason: str) -> None:
        """End a connection, and say why."""
        call.cut = True
        name = call.peer.name if call.peer is not None else UNKNOWN
        who = "a stranger" if name == UNKNOWN else name
        _LOG.warning("connection of %s from %s is ended: %s", who, call.link.address, reason)
        call.link.end()
        self._on_cut(name)

    def _complaint(self, call: Call, now: float) -> str:
        if call.busy:
            return ""
        if now - call.last_pdu > self._patience.silence:
            what = "no association request" if call.peer is None else "no whole PDU"
            return f"{what} came for {self._patience.silence:g} s (receive.network_timeout_seconds)"
        if now - call.last_progress > self._patience.idle:
            return f"it stored nothing for {self._patience.idle:g} s (receive.idle_timeout_seconds)"
        return ""


def end_connection(connection: socket.socket) -> None:
    """Abort, if the peer still listens, and close; its own thread then finds the connection closed."""
    with suppress(OSError):
        if type(connection) is socket.socket:  # by TLS only the thread that reads may write
            connection.send(_ABORT, socket.MSG_DONTWAIT)
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
