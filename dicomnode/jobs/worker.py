"""The worker: leases jobs, several at a time, and keeps watch over them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import datetime
from threading import Event, Thread

from dicomnode.archive import Archive
from dicomnode.archive.records import Turn
from dicomnode.inference.devices import prepare_torch
from dicomnode.jobs.attempts import Attempts, next_attempt
from dicomnode.jobs.company import Company, UnderWay
from dicomnode.jobs.heartbeat import Heartbeat
from dicomnode.jobs.loading import LoadedModels
from dicomnode.settings import Settings

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 1.0
_PATIENCE_SECONDS = 4.0
_SWITCH_SECONDS = 5e-5
"""How long a thread that runs Python keeps others from running. A network gives the interpreter away at each of its
many operations and must get it back: by Python's own 5 ms, a thread that reads or writes DICOM slows it to a third."""


class Worker:
    """Does the jobs of one process on one device, ``infer.jobs`` at a time.

    While the images of one job go through the device, others are read and decoded, and answers are written. One more
    thread takes urgent jobs only, so that none of them waits for a routine one to end; and one thread takes jobs by
    their age alone, so that however many urgent ones there are, the others get their turn.
    """

    def __init__(
        self,
        archive: Archive,
        settings: Settings,
        owner: str,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a worker.

        Args:
            archive: Gives the jobs, takes the answers.
            settings: The node's settings.
            owner: Names this process in leases.
            clock: Present time, with time zone.
            monotonic: Seconds, whatever is done to the clock; tells how long a job takes.
        """
        self._archive = archive
        self._settings = settings
        self._owner = owner
        self._clock = clock
        self._monotonic = monotonic
        self._models = LoadedModels(settings.models.folder, settings)
        self._attempts = Attempts(archive, settings, owner, clock, self._models)
        self._company = Company(monotonic)

    def run(self, stop: Event) -> None:
        """Work until told to stop; jobs under way are finished first."""
        prepare_torch(deterministic=self._settings.node.deterministic)
        turns = [Turn.URGENT_ONLY, Turn.OLDEST_FIRST, *[Turn.URGENT_FIRST] * (self._settings.infer.jobs - 1)]
        failed: list[BaseException] = []
        threads = [Thread(target=self._serve, args=(turn, stop, failed), name=f"jobs, {turn}") for turn in turns]
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        for thread in threads:
            thread.daemon = True  # a hanging model must not keep a process from ending that was told to
            thread.start()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
        if failed:
            raise failed[0]

    @property
    def models(self) -> LoadedModels:
        """Its models, which other work of this process may use."""
        return self._models

    def loaded_models(self) -> tuple[str, ...]:
        """Names of the models that stay loaded."""
        return self._models.loaded()

    def give_back(self, stop: Event, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Once told to stop, give jobs that take too long to finish back, so that nobody waits for their leases."""
        stop.wait()
        if not self._company.wait_until_empty(patience_seconds):
            self._give_back_all("its worker was stopped")

    def give_up(self, seconds: float) -> bool:
        """Give a job back that takes longer than this, the attempt counted; the caller ends the process then.

        The process's other jobs are given back too, theirs not counted.

        Returns:
            False if no job does.
        """
        now = self._monotonic()
        late = [one for one in self._company.held if one.began is not None and now - one.began >= seconds]
        if not late or not self._time_out(late[0], seconds):
            return False
        self._give_back_all(f"its worker was ended because of job {late[0].job.job_id}, which took too long")
        return True

    def work_once(self, turn: Turn = Turn.URGENT_FIRST) -> bool:
        """Do one job if there is one; true if there was."""
        lease_seconds = self._settings.infer.lease_seconds
        jobs = self._archive.jobs
        with self._company.lease(lambda: jobs.lease(self._owner, self._clock(), lease_seconds, turn)) as held:
            if held is None:
                return False
            with Heartbeat(jobs, held.job.job_id, self._owner, lease_seconds, self._clock):
                self._company.begin(held)
                self._attempts.make(held.job)
        return True

    def _serve(self, turn: Turn, stop: Event, failed: list[BaseException]) -> None:
        waiter = self._archive.wakeups.waiter()
        try:
            while not (stop.is_set() or failed):
                if not self.work_once(turn):
                    waiter.wait(stop, _IDLE_SECONDS)
        except BaseException as error:  # noqa: BLE001  raised again by `run`, which ends the role
            failed.append(error)

    def _time_out(self, late: UnderWay, seconds: float) -> bool:
        job, now = late.job, self._clock()
        reason = f"timed out: it took longer than {seconds:g} s (infer.timeout_seconds)"
        if not self._archive.jobs.retry_later(job.job_id, self._owner, reason, next_attempt(job, now), now):
            return False
        _log.error("job %d, attempt %d: %s; this process ends itself", job.job_id, job.attempts, reason)
        return True

    def _give_back_all(self, reason: str) -> None:
        now = self._clock()
        for one in self._company.held:  # of one that was given back already nothing is changed
            self._archive.jobs.retry_later(one.job.job_id, self._owner, reason, now, now, counted=False)
