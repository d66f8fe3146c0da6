"""Notices when the machine's clock is put back, which would make what waits wait on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

_TOLERATED = timedelta(seconds=2)
"""Corrections of this size are everyday, and cost no more than they correct."""


class ClockWatch:
    """Compares the clock with one that only goes forward.

    Args:
        clock: Present time, with time zone.
        monotonic: Seconds of a clock that nobody sets.
    """

    def __init__(self, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._seen = clock(), monotonic()

    def went_back(self) -> bool:
        """Whether the clock was put back since the last look."""
        (then, before), seen = self._seen, (self._clock(), self._monotonic())
        self._seen = seen
        return seen[0] < then + timedelta(seconds=seen[1] - before) - _TOLERATED
