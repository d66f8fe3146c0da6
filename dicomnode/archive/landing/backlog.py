"""What was acknowledged and is not in the index yet: bounded, in order, and handed over in batches."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dicomnode.archive.indexing import Kept
from dicomnode.archive.landing.journal import Journal, Segment
from dicomnode.archive.landing.records import Entry
from dicomnode.errors import ArchiveError, ArchiveFullError

_LOG = logging.getLogger(__name__)
# Arrivals that come within this time share a transaction; nobody notices that they are indexed so much later.
_GATHER_SECONDS = 0.1
_BATCH, _BATCH_BYTES = 250, 8 << 20
_MOST_WAITING, _MOST_BYTES, _MOST_JOURNAL_BYTES = 4000, 96 << 20, 256 << 20
_ROOM_SECONDS, _FLUSH_SECONDS = 10.0, 30.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0
_NOTHING = memoryview(b"")
_EVERYTHING = (ArchiveError, OSError)


@dataclass(slots=True, eq=False)
class Landed:
    """An arrival that the journal holds.

    Attributes:
        kept: Its file, that may not have its name yet.
        entry: What the journal says of it.
        content: Its bytes, empty if its file has its name already.
        number: Of its record.
        segment: Of the journal; None if that belongs to a dead process.
        dropped: It was not made durable after all, and not acknowledged.
    """

    kept: Kept
    entry: Entry
    content: memoryview = _NOTHING
    number: int = 0
    segment: Segment | None = None
    dropped: bool = False


class Backlog:
    """Journal and queue of this process, with the thread that empties them."""

    def __init__(
        self,
        open_journal: Callable[[], Journal],
        index: Callable[[Sequence[Landed]], None],
        sync_all: Callable[[], None],
    ) -> None:
        """Make the backlog of a process that nothing has landed in.

        Args:
            open_journal: Begins the journal.
            index: Indexes the oldest arrivals of it.
            sync_all: Makes files durable, before the journal's space is used again.
        """
        self._open_journal = open_journal
        self._index = index
        self._sync_all = sync_all
        self._guard = threading.Lock()
        self._arrived = threading.Condition(self._guard)  # something for the thread that indexes
        self._filled = threading.Condition(self._guard)  # something for the thread that clears the journal
        self._changed = threading.Condition(self._guard)  # something for those who wait for either
        self._journal: Journal | None = None
        self._queue: deque[Landed] = deque()
        self._claimed: set[str] = set()
        self._bytes = self._last = 0
        self._urgent = self._closing = self._starving = False
        self._failure: Exception | None = None
        self._threads: list[threading.Thread] = []

    def claim(self, sop_instance_uid: str) -> bool:
        """Reserve a UID for one that lands; False while another one of it is on its way into the index."""
        with self._guard:
            if sop_instance_uid in self._claimed:
                return False
            self._claimed.add(sop_instance_uid)
            return True

    def give_up(self, sop_instance_uid: str) -> None:
        """End a claim of one that does not land after all."""
        with self._guard:
            self._claimed.discard(sop_instance_uid)
            self._changed.notify_all()

    def await_indexed(self, sop_instance_uid: str) -> None:
        """Wait until nobody claims a UID any more.

        Raises:
            ArchiveError: It takes too long.
        """
        self._wait(lambda: sop_instance_uid not in self._claimed)

    def add(self, landed: Landed) -> None:
        """Return once an arrival, whose UID was claimed, is safe.

        Raises:
            ArchiveError: The index is so far behind that nothing more is taken for now.
            OSError: The disk refused.
        """
        with self._guard:
            journal = self._ready_for(len(landed.content))
            landed.number, landed.segment = journal.append(landed.entry.to_text(), landed.content)
            self._queue.append(landed)
            self._bytes += len(landed.content)
            self._last = landed.number
            if journal.wants_spare():
                self._filled.notify()
            if len(self._queue) == 1 or self._is_worth_it():
                self._arrived.notify()
        try:
            journal.sync(landed.number)
        except OSError:
            landed.dropped = True
            raise
        finally:
            if self._starving:
                with self._guard:
                    self._arrived.notify()

    def flush(self) -> None:
        """Return once all that landed before is in the index.

        Raises:
            ArchiveError: It takes too long: the index cannot be written.
        """
        with self._guard:
            last = self._last
        self._wait(lambda: not self._queue or self._queue[0].number > last)

    def waiting(self) -> int:
        """Arrivals that are not in the index yet."""
        return len(self._queue)

    def close(self) -> bool:
        """Index what waits and end; tells whether everything is in the index and its files are durable."""
        with self._guard:
            self._closing = True
            self._arrived.notify()
            self._filled.notify()
        for thread in self._threads:
            thread.join()
        if self._journal is None:
            return True
        done = not self._queue and not self._journal.is_broken
        try:
            self._sync_all()
        except OSError:
            done = False
        self._journal.close()
        return done

    def _ready_for(self, size: int) -> Journal:
        journal = self._journal or self._begin()
        if not self._changed.wait_for(lambda: self._has_room(journal, size), _ROOM_SECONDS):
            raise self._behind()
        return journal

    def _begin(self) -> Journal:
        journal = self._journal = self._open_journal()
        self._threads = [
            threading.Thread(target=self._run_indexing, daemon=True, name="indexing of arrivals"),
            threading.Thread(target=self._run_clearing, args=(journal,), daemon=True, name="clearing of the journal"),
        ]
        for thread in self._threads:
            thread.start()
        return journal

    def _has_room(self, journal: Journal, size: int) -> bool:
        few = len(self._queue) < _MOST_WAITING and self._bytes + size <= _MOST_BYTES
        return (few and journal.size < _MOST_JOURNAL_BYTES) or not self._queue

    def _behind(self) -> ArchiveError:
        why = f": {self._failure}" if self._failure else ""
        text = f"{len(self._queue)} instances wait for the index, and no more are taken until it follows{why}"
        return ArchiveFullError(text) if isinstance(self._failure, ArchiveFullError) else ArchiveError(text)

    def _wait(self, done: Callable[[], bool]) -> None:
        with self._guard:
            self._urgent = True
            self._arrived.notify()
            if not self._changed.wait_for(done, _FLUSH_SECONDS):
                raise self._behind()

    def _run_indexing(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while (batch := self._next_batch()) is not None:
            try:
                self._index([landed for landed in batch if not landed.dropped])
            except _EVERYTHING as error:
                self._told(error)
                if self._closing:
                    return  # the next process finds the journal
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                self._told(None)
                pause = _FIRST_PAUSE_SECONDS
                self._done(batch)

    def _next_batch(self) -> list[Landed] | None:
        with self._guard:
            self._arrived.wait_for(lambda: self._queue or self._closing)
            self._arrived.wait_for(lambda: self._is_worth_it() or self._urgent or self._closing, _GATHER_SECONDS)
            self._urgent = False
            while not (batch := self._safe()) and self._queue:
                self._starving = True
                self._arrived.wait(_GATHER_SECONDS)
            self._starving = False
            return batch or None

    def _is_worth_it(self) -> bool:
        return len(self._queue) >= _BATCH or self._bytes >= _BATCH_BYTES

    def _safe(self) -> list[Landed]:
        """The oldest that are on the disk, or given up."""
        synced = self._journal.synced if self._journal else 0
        found: list[Landed] = []
        for landed in self._queue:
            if len(found) == _BATCH or not (landed.number <= synced or landed.dropped):
                break
            found.append(landed)
        return found

    def _done(self, batch: Sequence[Landed]) -> None:
        with self._guard:
            for landed in batch:
                self._queue.popleft()
                self._bytes -= len(landed.content)
                self._claimed.discard(landed.kept.header.sop_instance_uid)
                if landed.segment is not None:
                    landed.segment.waiting -= 1
            self._filled.notify()
            self._changed.notify_all()

    def _told(self, failure: Exception | None) -> None:
        if failure is not None and self._failure is None:
            _LOG.error("what arrived is safe, and not in the index yet: %s", failure)
        elif failure is None and self._failure is not None:
            _LOG.warning("the index takes what arrived again")
        self._failure = failure

    def _run_clearing(self, journal: Journal) -> None:
        """Make files durable whose bytes the journal holds, so that it need not hold them any more."""
        while True:
            with self._guard:
                self._filled.wait_for(lambda: journal.wants_spare() or journal.used_up() or self._closing)
                if self._closing:
                    return
                wants_spare, segments = journal.wants_spare(), journal.used_up()
            try:
                if segments:
                    self._sync_all()
                elif wants_spare:
                    segments = [journal.new_segment()]
            except (ArchiveError, OSError) as error:
                _LOG.error("what arrived is safe, and the journal that holds it cannot be cleared: %s", error)
                time.sleep(_LONGEST_PAUSE_SECONDS)
                continue
            with self._guard:
                journal.reuse(segments)
                self._changed.notify_all()
