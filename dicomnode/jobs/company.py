"""The jobs that one process works on at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dicomnode.archive.records import Job


@dataclass(slots=True, eq=False)
class UnderWay:
    """A job that this process holds the lease of.

    Attributes:
        job: As it was leased.
        began: When the work on it began, seconds; None while it waits for the others to end.
    """

    job: Job
    began: float | None = None


class Company:
    """Lets jobs of one process run side by side, except those that must be alone.

    A job whose last attempt did not end well runs alone: if it kills or stalls its process again, it is clear whose
    fault that was, and no other job pays for it.

    Args:
        monotonic: Seconds, whatever is done to the clock.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._door = threading.Lock()  # held while a job is leased, and for as long as one is to be alone
        self._changed = threading.Condition()
        self._held: list[UnderWay] = []

    @property
    def held(self) -> tuple[UnderWay, ...]:
        """What is under way, or waits to be alone; what began first comes first."""
        with self._changed:
            return tuple(sorted(self._held, key=lambda one: float("inf") if one.began is None else one.began))

    def wait_until_empty(self, seconds: float) -> bool:
        """Wait until nothing is under way; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._held, seconds)

    @contextmanager
    def lease(self, lease: Callable[[], Job | None]) -> Iterator[UnderWay | None]:
        """Hold a job within the block; `begin` is to be called in it before the work.

        Args:
            lease: Takes the job; only one thread at a time does.
        """
        with self._door:
            job = lease()
            if job is not None and job.error:
                with self._holding(job) as held:
                    yield held
                return
            if job is not None:
                held = self._enter(job)
        if job is None:
            yield None
            return
        try:
            yield held
        finally:
            self._leave(held)

    def begin(self, held: UnderWay) -> None:
        """Wait until a job may run, and note when it begins."""
        with self._changed:
            if held.job.error:
                self._changed.wait_for(lambda: self._held == [held])
            held.began = self._monotonic()

    @contextmanager
    def _holding(self, job: Job) -> Iterator[UnderWay]:
        held = self._enter(job)
        try:
            yield held
        finally:
            self._leave(held)

    def _enter(self, job: Job) -> UnderWay:
        held = UnderWay(job)
        with self._changed:
            self._held.append(held)
        return held

    def _leave(self, held: UnderWay) -> None:
        with self._changed:
            self._held.remove(held)
            self._changed.notify_all()
