"""Who is connected, and the end of those that hold a connection without using it.

pynetdicom waits for the rest of a PDU without any limit, so that a sender that gives a byte now and then would hold two
threads for ever, and an association that only echoes is never idle to it. Here the clock runs beside it.
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
from typing import Any

from dicomnode.intake.admission import UNKNOWN, Peer

_LOG = logging.getLogger(__name__)
_ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"  # A-ABORT by the service provider, no reason (PS3.8 table 9-26)
_ROUND_SECONDS = 0.5
_MOST_WAITING = 64
# In the time after which an association counts as idle, a large instance on a slow line brings at least so much.
_PROGRESS_BYTES = 1 << 20


@dataclass(slots=True)
class Call:
    """A connection; times are of the monotonic clock, in seconds.

    Attributes:
        association: pynetdicom's.
        last_pdu: When it was opened, or its last whole PDU came.
        last_progress: When it was opened, an instance was answered, or another `_PROGRESS_BYTES` had come.
        bytes_since: That came since then.
        bytes_of_instance: That came since the last instance was answered.
        peer: Who it is, None before it asked for an association.
        busy: Whether the node is at work for it.
        cut: Whether it was ended here.
    """

    association: Any
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
        largest: Bytes of an instance; pynetdicom holds one in memory until it is whole.
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
        self._calls: dict[int, Call] = {}
        self._guard = threading.Lock()

    def opened(self, association: Any) -> None:
        """Note a connection; of many that have not yet said who they are, the oldest ends."""
        now = self._clock()
        with self._guard:
            self._calls[id(association)] = Call(association, now, now)
            waiting = [call for call in self._calls.values() if call.peer is None and not call.cut]
        if len(waiting) > _MOST_WAITING:
            self._cut(waiting[0], "more connections wait for it to say who it is")

    def came(self, association: Any, size: int) -> None:
        """Note a whole PDU."""
        call = self._calls.get(id(association))
        if call is None:
            return
        call.last_pdu = self._clock()
        call.bytes_since += size
        call.bytes_of_instance += size
        if call.bytes_since >= _PROGRESS_BYTES:
            call.bytes_since, call.last_progress = 0, call.last_pdu
        if call.bytes_of_instance > self._patience.largest and not call.cut:
            # At once: what came is in memory, and a fast sender fills that within a round
            largest = f"{self._patience.largest} bytes (receive.maximum_instance_bytes)"
            self._cut(call, f"an instance has more than {largest}")

    def admitted(self, association: Any, peer: Peer) -> None:
        """Note whose association it is."""
        with self._guard:
            call = self._calls.get(id(association))
            if call is not None:
                call.peer = peer

    @contextmanager
    def at_work(self, association: Any) -> Iterator[Peer]:
        """While the node works for an association, it is neither silent nor idle; gives its peer."""
        call = self._calls.get(id(association))
        if call is None or call.peer is None:
            yield Peer(UNKNOWN, "")  # its connection closed already; what came whole is kept all the same
            return
        call.busy = True
        try:
            yield call.peer
        finally:
            now = self._clock()
            call.last_pdu, call.last_progress, call.bytes_since, call.bytes_of_instance = now, now, 0, 0
            call.busy = False

    def closed(self, association: Any) -> None:
        """Note the end of a connection."""
        with self._guard:
            self._calls.pop(id(association), None)

    def counts(self) -> dict[str, int]:
        """Open associations by the peer's name."""
        with self._guard:
            return dict(Counter(call.peer.name for call in self._calls.values() if call.peer is not None))

    def overdue(self) -> list[tuple[Call, str]]:
        """Connections that are to be ended, each with the reason."""
        now = self._clock()
        with self._guard:
            self._calls = {key: call for key, call in self._calls.items() if _lives(call)}
            calls = list(self._calls.values())
        return [(call, reason) for call in calls if not call.cut and (reason := self._complaint(call, now))]

    def run(self, stop: threading.Event) -> None:
        """End what is overdue until stopped."""
        while not stop.wait(_ROUND_SECONDS):
            for call, reason in self.overdue():
                self._cut(call, reason)

    def _complaint(self, call: Call, now: float) -> str:
        if call.busy:
            return ""
        if now - call.last_pdu > self._patience.silence:
            what = "no association request" if call.peer is None else "no whole PDU"
            return f"{what} came for {self._patience.silence:g} s (receive.network_timeout_seconds)"
        if now - call.last_progress > self._patience.idle:
            return f"it stored nothing for {self._patience.idle:g} s (receive.idle_timeout_seconds)"
        return ""

    def _cut(self, call: Call, reason: str) -> None:
        call.cut = True
        name = call.peer.name if call.peer is not None else UNKNOWN
        who = "a stranger" if name == UNKNOWN else name
        _LOG.warning("connection of %s from %s is ended: %s", who, call.association.requestor.address, reason)
        _end_connection(call.association)
        self._on_cut(name)


def _lives(call: Call) -> bool:
    # One that was opened a moment ago has no thread yet; one whose thread ended is gone, whether it said so or not.
    return call.association.ident is None or call.association.is_alive()


def _end_connection(association: Any) -> None:
    """Abort, if the peer still listens, and close; pynetdicom's threads then find the connection closed."""
    with suppress(OSError, AttributeError):
        connection: socket.socket = association.dul.socket.socket
        if type(connection) is socket.socket:  # by TLS only the thread that reads may write
            connection.send(_ABORT, socket.MSG_DONTWAIT)
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
