"""Keeps a job's lease while its worker is busy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from dicomnode.archive.jobs import JobStore
from dicomnode.errors import describe

_log = logging.getLogger(__name__)
_BEATS_PER_LEASE = 3.0


class Heartbeat:
    """A context within which a lease is renewed by a thread of its own.

    A lease that was lost (the job was superseded, or another worker took it over) is not renewed any
    more; the end of the job then writes nothing, which `JobStore.finish` sees to.
    """

    def __init__(
        self, jobs: JobStore, job_id: int, owner: str, lease_seconds: float, clock: Callable[[], datetime]
    ) -> None:
        self._jobs = jobs
        self._job_id = job_id
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat of job {job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._lease_seconds / _BEATS_PER_LEASE):
            try:
                until = self._clock() + timedelta(seconds=self._lease_seconds)
                if not self._jobs.renew(self._job_id, self._owner, until):
                    _log.warning("job %d: its lease is lost; the answer will not be used", self._job_id)
                    return
            except Exception as error:  # noqa: BLE001  a busy index is no reason to give up the work
                _log.warning("job %d: lease not renewed: %s", self._job_id, describe(error))
