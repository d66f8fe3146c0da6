"""What running processes use, as Linux tells it: memory in proportion to who shares it, and processor time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

_PROC = Path("/proc")
_LOOK_SECONDS = 0.5
_KIB = 1024


@dataclass(slots=True)
class Peak:
    """The largest sum that was seen.

    Attributes:
        bytes: Proportional set sizes (PSS) of all processes together.
    """

    bytes: int = 0


@contextmanager
def peak_memory(roots: Iterable[int]) -> Iterator[Peak]:
    """Watch the memory of processes and their descendants while the block runs."""
    peak, stop, watched = Peak(), Event(), tuple(roots)

    def watch() -> None:
        while True:
            peak.bytes = max(peak.bytes, memory(watched))
            if stop.wait(_LOOK_SECONDS):
                return

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def memory(roots: Iterable[int]) -> int:
    """Proportional set size (PSS) of processes and their descendants, bytes."""
    return sum(_pss(pid) for pid in _family(roots))


def processor_seconds(roots: Iterable[int]) -> float:
    """Processor time that processes and their living descendants have used, of all cores."""
    ticks = 0
    for pid in _family(roots):
        fields = _stat(pid)
        ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(roots: Iterable[int]) -> set[int]:
    """Processes with their descendants."""
    parents = {int(path.name): _parent(int(path.name)) for path in _PROC.iterdir() if path.name.isdigit()}
    found, added = set[int](), set(roots)
    while added:
        found |= added
        added = {pid for pid, parent in parents.items() if parent in found} - found
    return found


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1])


def _stat(pid: int) -> list[str]:
    """Fields of ``stat`` from the state on (proc(5)); zeros of a process that has ended."""
    with suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return ["0"] * 50


def _pss(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * _KIB
    return 0
