"""How often something may be tried: waits that grow with failures, and buckets that fill with time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

_REMEMBERED = 10_000
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=15)
_FORGIVEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: datetime


class Throttle:
    """Counts failures by key; after some free ones each costs a wait, doubling up to a quarter of an hour.

    The oldest keys are forgotten first, so that nobody fills the memory by trying.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = Lock()

    def wait(self, key: str, now: datetime) -> timedelta:
        """How long a key has to wait yet; zero or less: not at all."""
        with self._lock:
            known = self._failures.get(key)
        if known is None or known.count < self._free:
            return timedelta()
        doublings = min(known.count - self._free, 16)
        return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT) - (now - known.last)

    def fail(self, key: str, now: datetime) -> None:
        """Count a failure."""
        with self._lock:
            known = self._failures.pop(key, None)
            earlier = 0 if known is None or now - known.last > _FORGIVEN_AFTER else known.count
            self._failures[key] = _Failures(earlier + 1, now)
            if len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def forget(self, key: str) -> None:
        """Start anew after a success."""
        with self._lock:
            self._failures.pop(key, None)


class Buckets:
    """A bucket of requests for each key, that fills by the minute."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, key: str, seconds: float) -> float:
        """Take one; returns zero, or after how many seconds there is one again.

        Args:
            key: Whose bucket.
            seconds: Of a clock that never goes back.
        """
        per_second = self._most / 60
        with self._lock:
            level, at = self._levels.pop(key, (self._most, seconds))
            level = min(self._most, level + max(0.0, seconds - at) * per_second)
            taken = level >= 1
            self._levels[key] = (level - 1 if taken else level, seconds)
            if len(self._levels) > _REMEMBERED:
                self._levels.popitem(last=False)
        return 0.0 if taken else (1 - level) / per_second
