"""The threads that drive a device: they form batches of whatever waits, and hand out the answers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch

from dicomnode.inference.pool.forming import Batch, Call, Queue, Waiting
from dicomnode.inference.pool.lane import Lane

_Input = TypeVar("_Input")
_Output = TypeVar("_Output")
_BATCHES_AHEAD = 2
_IDLE_SECONDS = 5.0


class DevicePool:
    """Brings the images of many callers through one device, in batches that reach across callers.

    Each caller prepares its images in its own thread, two batches ahead of the device at most, so that reading and
    preparing go on while the device computes. A GPU is driven by two threads, each on a stream of its own: one copies
    and launches while the other waits for its answers. Threads begin with the first image and end when they are idle.

    Args:
        device: Where the lanes' networks are.
        wait_seconds: An image waits for company this long.
        clock: Seconds, whatever is done to the clock on the wall.
    """

    def __init__(
        self, device: torch.device, wait_seconds: float = 0.02, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._device = device
        self._clock = clock
        self._queue = Queue(wait_seconds)
        self._changed = threading.Condition()
        self._drivers = 0
        self._most_drivers = 2 if device.type == "cuda" else 1
        self._caller = threading.local()

    @contextmanager
    def urgent(self, urgency: int) -> Iterator[None]:
        """Let what this thread asks for in the block go before others' (above 0) or behind them (below)."""
        self._caller.urgency = urgency
        try:
            yield
        finally:
            self._caller.urgency = 0

    def outputs(
        self, lane: Lane[_Input, _Output], images: Iterable[_Input], key: Callable[[_Input], Hashable]
    ) -> Iterator[_Output]:
        """One output per image, in order.

        An error in a batch of several callers is raised where it belongs: each caller's part is run again alone.

        Args:
            lane: The network.
            images: Read two batches ahead at most.
            key: Images go together only if it is the same for them.
        """
        call = Call(lane, getattr(self._caller, "urgency", 0))
        sent: deque[Future[_Output]] = deque()
        self._set_adding(call, True)
        try:
            for image in images:
                sent.append(self._submit(call, image, key(image)))
                if len(sent) > _BATCHES_AHEAD * lane.size:
                    yield self._result(call, sent.popleft())
            self._set_adding(call, False)
            while sent:
                yield sent.popleft().result()
        finally:
            self._end(call)

    def _submit(self, call: Call, image: object, key: Hashable) -> Future[Any]:
        item = Waiting(call, image, self._clock())
        with self._changed:
            self._queue.add(item, key)
            if self._drivers < self._most_drivers:
                self._drivers += 1
                threading.Thread(target=self._drive, name=f"driver of {self._device}", daemon=True).start()
            self._changed.notify()
        return item.answer

    def _result(self, call: Call, answer: Future[_Output]) -> _Output:
        if answer.done():
            return answer.result()
        self._set_adding(call, False)
        try:
            return answer.result()
        finally:
            self._set_adding(call, True)

    def _set_adding(self, call: Call, is_adding: bool) -> None:
        with self._changed:
            self._queue.set_adding(call, is_adding)
            self._changed.notify()

    def _end(self, call: Call) -> None:
        with self._changed:
            self._queue.set_adding(call, False)
            self._queue.withdraw(call)
            self._changed.notify()

    def _drive(self) -> None:
        with ExitStack() as stack:
            if self._device.type == "cuda":
                stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
                stack.enter_context(torch.cuda.stream(stream))
            while (batch := self._next()) is not None:
                _run(batch)

    def _next(self) -> Batch | None:
        """The next batch; None if there was none for so long that this thread may end."""
        with self._changed:
            while True:
                now = self._clock()
                batch = self._queue.take(now)
                if batch is not None:
                    return batch
                ready_at = self._queue.ready_at()
                if ready_at is not None:
                    self._changed.wait(max(0.0, ready_at - now))
                elif not self._changed.wait(_IDLE_SECONDS) and self._queue.is_empty:
                    self._drivers -= 1
                    return None


def _run(batch: Batch) -> None:
    try:
        outputs = batch.lane.run([item.image for item in batch.items])
    except Exception as error:  # noqa: BLE001  raised again where the output is asked for
        _blame(batch, error)
        return
    for item, output in zip(batch.items, outputs, strict=True):
        item.answer.set_result(output)


def _blame(batch: Batch, error: Exception) -> None:
    """Hand an error to the only caller of a batch; of several, find out whose image it is about."""
    calls = dict.fromkeys(item.call for item in batch.items)
    if len(calls) == 1:
        for item in batch.items:
            item.answer.set_exception(error)
        return
    for call in calls:
        _run(Batch(batch.lane, tuple(item for item in batch.items if item.call is call)))
