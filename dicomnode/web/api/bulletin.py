"""Tells those who look on what changed: one look at the index for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from anyio import to_thread

from dicomnode.archive.changes import Moment
from dicomnode.errors import DicomNodeError, TooManyTriesError, describe

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_MOST_OF_ONE, _MOST_OF_ALL = 12, 300
_MOST_SUBJECTS = 100
_COME_AGAIN_SECONDS = 30

Look = Callable[[], Moment]
Extra = Callable[[], Mapping[str, tuple[str, ...]]]


class Listener:
    """Somebody who looks on: collects what changed until it is taken.

    Attributes:
        ended: Whether the stream is to end.
    """

    def __init__(self) -> None:
        self._pending: dict[str, dict[str, None]] = {}
        self._woken = asyncio.Event()
        self.ended = False

    def tell(self, changes: Mapping[str, tuple[str, ...]]) -> None:
        """Add changes to what waits to be taken."""
        for topic, subjects in changes.items():
            self._pending.setdefault(topic, {}).update(dict.fromkeys(subjects))
        self._woken.set()

    def end(self) -> None:
        """Let the stream end."""
        self.ended = True
        self._woken.set()

    async def take(self, seconds: float) -> dict[str, tuple[str, ...]]:
        """What changed since the last time: waits for something, nothing if nothing comes for some seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return {}
        self._woken.clear()
        pending, self._pending = self._pending, {}
        return {topic: tuple(subjects)[:_MOST_SUBJECTS] for topic, subjects in pending.items()}


class Bulletin:
    """Looks at the index while somebody looks on, and tells everybody what changed.

    Used in the event loop of the server only.
    """

    def __init__(self, look: Look, extra: Extra, seconds: float = _LOOK_SECONDS) -> None:
        """Prepare it; nothing is looked at before somebody listens.

        Args:
            look: Reads the index; runs in a thread.
            extra: Tells what changed beside the index, each time it is asked; runs in a thread.
            seconds: Between two looks.
        """
        self._look = look
        self._extra = extra
        self._seconds = seconds
        self._listeners: dict[Listener, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    @contextmanager
    def listening(self, who: str) -> Iterator[Listener]:
        """Listen while the block runs.

        Args:
            who: Names the client, who may listen a few times at once.

        Raises:
            TooManyTriesError: It listens too often already, or too many listen.
        """
        self.admit(who)
        listener = Listener()
        self._listeners[listener] = who
        if self._ended:
            listener.end()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._tell_until_nobody_listens())
        try:
            yield listener
        finally:
            del self._listeners[listener]

    def admit(self, who: str) -> None:
        """Refuse who listens too often.

        Raises:
            TooManyTriesError: See `listening`.
        """
        if Counter(self._listeners.values())[who] >= _MOST_OF_ONE or len(self._listeners) >= _MOST_OF_ALL:
            raise TooManyTriesError("too many event streams are open: close some pages", _COME_AGAIN_SECONDS)

    def end(self) -> None:
        """Let everybody leave, and whoever comes still, since the server ends."""
        self._ended = True
        for listener in self._listeners:
            listener.end()

    async def _tell_until_nobody_listens(self) -> None:
        before: Moment | None = None
        while self._listeners:
            try:
                moment = await to_thread.run_sync(self._look)
                changes = {} if before is None else {str(t): s for t, s in moment.changes_since(before).items()}
                changes |= await to_thread.run_sync(self._extra)
                before = moment
            except (DicomNodeError, OSError) as error:  # the disk and certificates are looked at too
                _LOG.warning("what changed is told later: %s", describe(error))
                changes = {}
            if changes:
                for listener in self._listeners:
                    listener.tell(changes)
            await asyncio.sleep(self._seconds)
