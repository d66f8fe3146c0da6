"""Which images go through a device next, and when: batches formed across studies, with a deadline.

A batch goes out when it is full, when its oldest image has waited long enough, or when nobody prepares another image
for it. Among batches that may go, the one goes whose first image is due first: an urgent image counts as one that came
two seconds earlier, a replayed one as one that came two seconds later. So an urgent study overtakes what waits, and
still nobody is overtaken for ever: only by what comes within those seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dicomnode.inference.pool.lane import Lane

AnyLane: TypeAlias = Lane[Any, Any]
HEAD_START_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class Call:
    """Somebody who wants outputs of a lane.

    Attributes:
        lane: The network.
        urgency: Above 0 for urgent studies, below for replayed ones.
        is_adding: Whether more images may follow soon.
    """

    lane: AnyLane
    urgency: int
    is_adding: bool = False


@dataclass(slots=True, eq=False)
class Waiting:
    """An image that waits for the device.

    Attributes:
        call: Whose it is.
        image: What the lane takes.
        since: When it came, seconds.
        answer: Where its output goes.
    """

    call: Call
    image: object
    since: float
    answer: Future[Any] = field(default_factory=Future)

    @property
    def due(self) -> float:
        """When it came, in the order in which images are served."""
        urgency = self.call.urgency
        return self.since - HEAD_START_SECONDS * ((urgency > 0) - (urgency < 0))


@dataclass(frozen=True, slots=True)
class Batch:
    """Images that go through a lane together."""

    lane: AnyLane
    items: tuple[Waiting, ...]


class Queue:
    """The images that wait for one device; not safe among threads.

    Args:
        wait_seconds: An image waits for company this long.
    """

    def __init__(self, wait_seconds: float) -> None:
        self._wait = wait_seconds
        self._groups: dict[tuple[AnyLane, Hashable], list[Waiting]] = {}
        self._adding: Counter[AnyLane] = Counter()

    @property
    def is_empty(self) -> bool:
        """Whether no image waits."""
        return not self._groups

    def set_adding(self, call: Call, is_adding: bool) -> None:
        """Say whether more images of a call may follow soon."""
        self._adding[call.lane] += int(is_adding) - int(call.is_adding)
        call.is_adding = is_adding
        if not self._adding[call.lane]:
            del self._adding[call.lane]

    def add(self, item: Waiting, key: Hashable) -> None:
        """Let an image wait; it goes together with those of the same lane and key."""
        self._groups.setdefault((item.call.lane, key), []).append(item)

    def withdraw(self, call: Call) -> None:
        """Forget the images of a call that wait."""
        for place, group in list(self._groups.items()):
            self._keep(place, [item for item in group if item.call is not call])

    def take(self, now: float) -> Batch | None:
        """The batch that goes next; None if none may go yet."""
        ready = [place for place in self._groups if self._ready_at(place) <= now]
        if not ready:
            return None
        place = min(ready, key=lambda one: min(item.due for item in self._groups[one]))
        group = sorted(self._groups[place], key=lambda item: item.due)  # equals stay in the order they came in
        size = place[0].size
        self._keep(place, group[size:])
        return Batch(place[0], tuple(group[:size]))

    def ready_at(self) -> float | None:
        """When the next batch may go, if nothing changes until then; None if no image waits."""
        return min(map(self._ready_at, self._groups), default=None)

    def _ready_at(self, place: tuple[AnyLane, Hashable]) -> float:
        lane, group = place[0], self._groups[place]
        oldest = min(item.since for item in group)
        return oldest if len(group) >= lane.size or lane not in self._adding else oldest + self._wait

    def _keep(self, place: tuple[AnyLane, Hashable], rest: list[Waiting]) -> None:
        if rest:
            self._groups[place] = rest
        else:
            del self._groups[place]
