"""How long a run may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dicomnode.learning.engine.ranks import Ranks


class Budget:
    """The wall-clock time of a run, counted from its first step; the first of several processes looks at the clock."""

    def __init__(self, minutes: float | None, ranks: Ranks, clock: Callable[[], float] = time.monotonic) -> None:
        self._minutes = minutes
        self._ranks = ranks
        self._clock = clock
        self._end: float | None = None
        self.is_over = False

    def limit(self, batches: Iterable[Any], together: int = 1) -> Iterator[Any]:
        """The batches until the time is over, at least ``together``, and never fewer of those that make one step."""
        if self._minutes is None:
            yield from batches
            return
        if self._end is None:
            self._end = self._clock() + 60 * self._minutes
        for number, batch in enumerate(batches, start=1):
            yield batch
            if number % together:
                continue
            self.is_over = self._ranks.agreed(self._clock() >= self._end)
            if self.is_over:
                return
