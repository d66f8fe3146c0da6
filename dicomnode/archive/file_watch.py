"""Waiting until a file is written to: Linux's inotify, by its system calls."""

from __future__ import annotations

import ctypes
import os
import select
from pathlib import Path

from dicomnode.errors import ArchiveError

_IN_MODIFY, _IN_DELETE_SELF = 0x2, 0x400  # inotify(7)
_EVENTS_BYTES = 4096


class FileWatch:
    """Tells when one file is written to; costs nothing while it is not."""

    def __init__(self, path: Path) -> None:
        """Begin to watch.

        Args:
            path: A file that exists.

        Raises:
            ArchiveError: This system has no inotify, or no watch is left.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            raise ArchiveError("this system tells nobody when a file is written to (no inotify)")
        self._events = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        wanted = _IN_MODIFY | _IN_DELETE_SELF
        if self._events < 0 or libc.inotify_add_watch(self._events, os.fsencode(path), wanted) < 0:
            self.close()
            raise ArchiveError(f"{path.name} cannot be watched: {os.strerror(ctypes.get_errno())}")

    def wait(self, seconds: float) -> bool:
        """Wait until the file is written to, at most so long; false if it was not, or `wake` was called."""
        poll = select.poll()
        poll.register(self._events, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
        if self._events in ready:
            os.read(self._events, _EVENTS_BYTES)
        return self._events in ready

    def wake(self) -> None:
        """End a wait, now or the next one."""
        os.write(self._waker, b"\0")

    def close(self) -> None:
        """Watch no more."""
        for descriptor in (self._events, self._woken, self._waker):
            if descriptor >= 0:
                os.close(descriptor)
