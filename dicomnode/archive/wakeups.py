"""Waking those who wait for the index to change, instead of having each of them look again and again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from dicomnode.archive.database import Database
from dicomnode.archive.index_watch import IndexWatch, watch_index
from dicomnode.errors import ArchiveError

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
"""How soon a waiting thread sees its own stop where nobody wakes it for that."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_CALM_SECONDS = 0.1
_TRY_AGAIN_SECONDS = 1.0


class Wakeups:
    """One thread that watches the index for all who wait in this process; runs from the first wait on."""

    def __init__(self, database: Database, watch: Callable[[Database], IndexWatch] = watch_index) -> None:
        self._database = database
        self._make_watch = watch
        self._changed = threading.Condition()
        self._changes = 0
        self._ended = False
        self._watch: IndexWatch | None = None
        self._thread: threading.Thread | None = None

    def waiter(self) -> Waiter:
        """For one thread that works and waits in turn."""
        return Waiter(self)

    def wake(self) -> None:
        """Wake everybody who waits."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> int:
        """Wait until more has changed than was seen, at most so long; gives what is to be seen now."""
        with self._changed:
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._changes != seen or self._ended, seconds)
            return self._changes

    def close(self) -> None:
        """Watch no more; nobody is woken from here on."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            if self._watch is not None:
                self._watch.wake()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            try:
                self._look_on()
            except ArchiveError as error:
                _LOG.warning("changes of the index are not told for now: %s", error)
                with self._changed:
                    self._changed.wait_for(lambda: self._ended, _TRY_AGAIN_SECONDS)

    def _look_on(self) -> None:
        watch = self._make_watch(self._database)
        try:
            with self._changed:
                self._watch = watch
            while not self._ended:
                if watch.wait(_LOOK_SECONDS):
                    self.wake()
        finally:
            with self._changed:
                self._watch = None
            watch.close()


class Waiter:
    """Waits for changes since its last wait; what changed meanwhile ends the next one at once.

    While changes come without a pause, as while a study arrives, it makes pauses that grow to 50 ms: who is woken
    looks at the index, and that must not cost more than the work.
    """

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._seen = -1
        self._pause = _SHORTEST_PAUSE
        self._woken_at = 0.0

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Wait until something changed or it is time to stop, at most so long."""
        deadline = time.monotonic() + seconds
        while not stop.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            seen = self._wakeups.wait(self._seen, min(left, _LOOK_SECONDS))
            if seen != self._seen:
                self._seen = seen
                self._make_pause(stop)
                return

    def _make_pause(self, stop: threading.Event) -> None:
        now = time.monotonic()
        calm = now - self._woken_at > _CALM_SECONDS
        self._pause = _SHORTEST_PAUSE if calm else min(self._pause * 2, _LONGEST_PAUSE)
        if not calm:
            stop.wait(max(self._woken_at + self._pause - now, 0.0))
        self._woken_at = time.monotonic()
