"""How many associations each peer has, counted over all processes that receive."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_COUNT = struct.Struct("<I")


class Seats:
    """A table in memory that processes share through a file: a row for each process, a column for each peer.

    A process writes its own row only, and decides on an association while it holds the file's lock, so that limits
    are kept to the letter by all of them together. The lock and the row of a process that dies are free again once
    its supervisor says so.

    Args:
        path: The file; what an earlier run left in it is the supervisor's to clear.
        peers: Names of peers.
        processes: How many there are.
        place: Which of them this is, from 0.
    """

    def __init__(self, path: Path, peers: Sequence[str], processes: int, place: int) -> None:
        self._columns = {name: number for number, name in enumerate(dict.fromkeys(peers))}
        self._processes = processes
        self._place = place
        size = max(1, processes * len(self._columns)) * _COUNT.size
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._handle, size)
        self._table = mmap.mmap(self._handle, size)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the block runs, no other process decides; one thread of a process at a time."""
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def counts(self) -> dict[str, int]:
        """Open associations by the peer's name, of all processes."""
        return {
            name: sum(self._get(place, column) for place in range(self._processes))
            for name, column in self._columns.items()
        }

    def tell(self, counts: Mapping[str, int]) -> None:
        """Say how many this process has."""
        for name, column in self._columns.items():
            _COUNT.pack_into(self._table, self._at(self._place, column), counts.get(name, 0))

    def clear(self, place: int) -> None:
        """Note that a process has ended."""
        for column in self._columns.values():
            _COUNT.pack_into(self._table, self._at(place, column), 0)

    def close(self) -> None:
        """Let go of the file."""
        self._table.close()
        os.close(self._handle)

    def _get(self, place: int, column: int) -> int:
        return int(_COUNT.unpack_from(self._table, self._at(place, column))[0])

    def _at(self, place: int, column: int) -> int:
        return (place * len(self._columns) + column) * _COUNT.size
