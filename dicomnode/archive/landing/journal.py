"""The journal of one process: a folder of segments that are filled, emptied and filled again.

Segments are written with zeros once, so that a record changes bytes of a file and neither its size nor its place: that
is what makes it cheap to sync. Threads that write at the same time share a sync. The folder is locked while its process
lives; one that can be locked is of a dead process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from dicomnode.archive.files import make_folder, sync_folder
from dicomnode.archive.landing.records import Record, encoded, pages, records_in
from dicomnode.archive.staged import full_disk_is_refusal

_FIRST_SEGMENT_BYTES, _LARGEST_SEGMENT_BYTES = 2 << 20, 32 << 20
_SUFFIX, _LOCK = ".segment", "lock"
_TRIES, _PAUSE_SECONDS = 200, 0.01


@dataclass(slots=True, eq=False)
class Segment:
    """A file of records.

    Attributes:
        handle: It is open for writing.
        size: In bytes.
        end: Where the next record goes.
        waiting: Records that are not in the index yet.
    """

    handle: int
    size: int
    end: int = 0
    waiting: int = 0


class Journal:
    """Appends records; not safe among threads but for `sync`."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        """Make a journal of this process's own.

        Args:
            folder: Not there yet.
            durable: Whether records survive a power cut once `sync` returned, or a kill only.
        """
        self._folder = folder
        self._durable = durable
        self._segments: list[Segment] = []
        self._free: list[Segment] = []
        self._dirty: list[Segment] = []
        self._made = count()
        self._turn = threading.Condition(threading.Lock())
        self._syncing = self._broken = False
        self._appended = self._synced = 0
        with full_disk_is_refusal():
            self._lock = _made_and_locked(folder)

    @property
    def synced(self) -> int:
        """Number of the last record that is safe."""
        return self._synced

    @property
    def is_broken(self) -> bool:
        """Whether the disk refused a sync: what it says from then on of these files proves nothing."""
        return self._broken

    @property
    def size(self) -> int:
        """Bytes of the segments that hold records."""
        return sum(segment.size for segment in self._segments if segment not in self._free)

    def append(self, text: bytes, content: memoryview) -> tuple[int, Segment]:
        """Write a record; returns its number and where it is."""
        number = self._appended + 1
        head = encoded(number, text, len(content))
        size = len(head) + len(content)
        with full_disk_is_refusal():
            segment = self._room_for(size)
            written = os.pwrite(segment.handle, head, segment.end)
            if content:
                written += os.pwrite(segment.handle, content, segment.end + len(head))
        if written < size:
            raise OSError(f"a record of the journal {self._folder.name} could not be written")
        segment.end += pages(size)
        segment.waiting += 1
        with self._turn:
            self._appended = number
            if segment not in self._dirty:
                self._dirty.append(segment)
        return number, segment

    def sync(self, number: int) -> None:
        """Return once a record, and all before it, survive a power cut.

        Raises:
            OSError: The disk refused; nothing is known of the records that were not safe by then.
        """
        with self._turn:
            while self._synced < number and not self._broken:
                if self._syncing:
                    self._turn.wait()
                else:
                    self._lead()
            if self._synced < number:
                raise OSError(f"the journal {self._folder.name} cannot be written: look at the disk")

    def used_up(self) -> list[Segment]:
        """Segments that are full and whose every record is in the index."""
        full = (item for item in self._segments[:-1] if item not in self._free)
        return [item for item in full if item.waiting == 0]

    def wants_spare(self) -> bool:
        """Whether the last segment will soon be full, and none is free."""
        return bool(self._segments) and not self._free and 2 * self._segments[-1].end > self._segments[-1].size

    def reuse(self, segments: list[Segment]) -> None:
        """Let segments be written anew, or for the first time."""
        self._free += segments
        self._segments[:0] = [segment for segment in segments if segment not in self._segments]

    def new_segment(self, least: int = 0) -> Segment:
        """A new segment, that `reuse` makes one of this journal's; any thread may ask for one.

        Args:
            least: Bytes that it must have room for.
        """
        number = next(self._made)
        size = max(least, min(_FIRST_SEGMENT_BYTES << number, _LARGEST_SEGMENT_BYTES))
        path = self._folder / f"{number}{_SUFFIX}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with full_disk_is_refusal():
                if os.write(handle, bytes(size)) < size:
                    raise OSError(f"a segment of the journal {self._folder.name} could not be written")
                if self._durable:
                    os.fdatasync(handle)
                    sync_folder(self._folder)
        except BaseException:
            os.close(handle)
            raise
        return Segment(handle, size)

    def close(self) -> None:
        """Let go of the folder, which another process may take over from now on."""
        for segment in self._segments:
            os.close(segment.handle)
        os.close(self._lock)

    def _lead(self) -> None:
        """Sync for all threads that wait."""
        self._syncing = True
        target, dirty, self._dirty = self._appended, self._dirty, []
        self._turn.release()
        done = False
        try:
            if self._durable:
                for segment in dirty:
                    os.fdatasync(segment.handle)
            done = True
        except OSError:
            done = False
        finally:
            self._turn.acquire()
            self._syncing = False
            if done:
                self._synced = target
            else:
                self._broken = True
            self._turn.notify_all()

    def _room_for(self, size: int) -> Segment:
        if self._segments and self._segments[-1].end + size <= self._segments[-1].size:
            return self._segments[-1]
        fitting = next((segment for segment in self._free if segment.size >= pages(size)), None)
        if fitting is None:
            self._segments.append(self.new_segment(pages(size)))
        else:
            self._free.remove(fitting)
            fitting.end = 0
            self._segments.remove(fitting)
            self._segments.append(fitting)
        return self._segments[-1]


def dead_journals(root: Path) -> Iterator[Path]:
    """Folders of journals whose processes have ended, each of them held by this process until the next is asked for."""
    for folder in sorted(root.iterdir()):
        try:
            lock = _locked(folder)
        except OSError:
            continue
        try:
            yield folder
        finally:
            os.close(lock)


def read_journal(folder: Path) -> Iterator[Record]:
    """The records of a journal in their order, oldest first; those that are left over from earlier too."""
    first: list[tuple[int, Path]] = []
    for path in folder.glob(f"*{_SUFFIX}"):
        head = next(records_in(path.read_bytes()), None)
        if head is not None:
            first.append((head.number, path))
    for _, path in sorted(first):
        yield from records_in(path.read_bytes())


def remove_journal(folder: Path) -> bool:
    """Take away a journal of which nothing is needed any more, durably; False if it is there still, or again."""
    shutil.rmtree(folder, ignore_errors=True)
    sync_folder(folder.parent)
    return not folder.exists()


def _made_and_locked(folder: Path) -> int:
    """A handle on a new folder.

    Who looks for journals of dead processes may hold it, or take it away, before its owner does: then it is made anew.
    """
    for _ in range(_TRIES):
        if not folder.is_dir():
            make_folder(folder)
        with suppress(BlockingIOError, FileNotFoundError):
            return _locked(folder)
        time.sleep(_PAUSE_SECONDS)
    return _locked(folder)


def _locked(folder: Path) -> int:
    """A handle on the lock of a folder that nobody else holds.

    Raises:
        OSError: Somebody else does, or the folder is gone.
    """
    lock = folder / _LOCK  # a file, because network file systems lock no folders
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock.stat().st_ino != os.fstat(handle).st_ino:
            raise FileNotFoundError(f"journal {folder.name} was taken away a moment ago")
    except BaseException:
        os.close(handle)
        raise
    return handle
