"""Ends a process whose model hangs: nothing else stops a thread that runs foreign code, or frees what it holds."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable
from threading import Event
from typing import Protocol

_PAUSE_SECONDS = 1.0


class Worker(Protocol):
    """Who is watched; `dicomnode.jobs.worker.Worker`."""

    def give_up(self, seconds: float) -> bool:
        """Give a job back that takes longer than this; False if none does."""


class Watchdog:
    """Watches a worker's job; the supervisor starts the process anew, and another job may be next.

    A child process per job would do as well, but would load every model, and fill the device, for each study.

    Args:
        worker: Gives its job back, with the attempt counted.
        timeout_seconds: A job may take this long.
        end: Ends this process at once, whatever its threads do.
        grace_seconds: Time beyond that, after which the process ends without giving its job back.
    """

    def __init__(
        self, worker: Worker, timeout_seconds: float, end: Callable[[], None], grace_seconds: float = 10.0
    ) -> None:
        self._worker = worker
        self._timeout = timeout_seconds
        self._end = end
        self._grace = grace_seconds

    def run(self, stop: Event) -> None:
        """Watch until `stop` is set."""
        try:
            while not stop.is_set():
                # A model that never lets go of the interpreter's lock keeps this thread from running too; this timer
                # needs no lock. It is set anew as long as the thread runs.
                faulthandler.dump_traceback_later(self._timeout + self._grace, exit=True)
                if self._worker.give_up(self._timeout):
                    self._end()
                stop.wait(_PAUSE_SECONDS)
        finally:
            faulthandler.cancel_dump_traceback_later()
