"""Counts of what peers send, kept in memory between two writes to the index."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from dicomnode.archive.tallies import Tally, TallyStore, day_of
from dicomnode.errors import ArchiveError

_LOG = logging.getLogger(__name__)
_ROUND_SECONDS = 1.0


class Tallies:
    """Adds up at no cost per instance; a kill loses the counts of a second, which quotas bear.

    Args:
        store: Where counts are written once a second.
        clock: Present time.
    """

    def __init__(self, store: TallyStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._pending: dict[tuple[str, str], Tally] = {}
        self._writing: dict[tuple[str, str], Tally] = {}
        self._written: dict[tuple[str, str], int] = {}
        self._guard = threading.Lock()

    def count(self, peer: str, **counts: int) -> None:
        """Add counts of a peer to those of today; names are those of `Tally`."""
        tally = Tally(peer, self._today(), **counts)
        key = (tally.peer, tally.day)
        with self._guard:
            known = self._pending.get(key)
            self._pending[key] = tally if known is None else known + tally

    def bytes_today(self, peer: str) -> int:
        """Bytes taken from a peer since midnight, by all processes as of the last write and by this one until now."""
        return self.today().get(peer, 0)

    def today(self) -> dict[str, int]:
        """The same of every peer that sent something."""
        day = self._today()
        with self._guard:
            sizes = {key: tally.size for key, tally in self._writing.items()}
            for key, tally in self._pending.items():
                sizes[key] = sizes.get(key, 0) + tally.size
            for key, size in self._written.items():
                sizes[key] = sizes.get(key, 0) + size
        return {peer: size for (peer, of), size in sizes.items() if of == day}

    def flush(self) -> None:
        """Write what is pending, and learn what other processes have written; one thread at a time."""
        with self._guard:
            if not self._writing:  # else the last attempt failed
                self._writing, self._pending = self._pending, {}
        try:
            self._store.add(self._writing.values())
            with self._guard:
                for key, tally in self._writing.items():
                    self._written[key] = self._written.get(key, 0) + tally.size
                self._writing = {}
            written = {(tally.peer, tally.day): tally.size for tally in self._store.of_day(self._today())}
            with self._guard:
                self._written = written
        except ArchiveError as error:
            _LOG.warning("counts of what peers sent are written later: %s", error)

    def run(self, stop: threading.Event) -> None:
        """Write once a second until stopped, and at the end."""
        while not stop.wait(_ROUND_SECONDS):
            self.flush()
        self.flush()

    def _today(self) -> str:
        return day_of(self._clock().astimezone(UTC))
