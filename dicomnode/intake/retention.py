"""When studies are deleted: old enough, finished and delivered, and, if so set, while the disk runs short."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.errors import ArchiveError
from dicomnode.settings import RetentionSettings, TargetSettings

_LOG = logging.getLogger(__name__)
_ROUND_SECONDS = 30.0
_MOST_A_ROUND = 20


class Retention:
    """A part of the dispatch role.

    Args:
        archive: Where studies are deleted.
        settings: What may go, and when.
        targets: Of the settings: those that ask for a proof must have given it.
        clock: Present time.
    """

    def __init__(
        self,
        archive: Archive,
        settings: RetentionSettings,
        targets: Sequence[TargetSettings],
        clock: Callable[[], datetime],
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._proving = [target.name for target in targets if target.proof in ("commitment", "read-back")]
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Delete what may go until stopped; a round that had enough to do is followed by the next at once."""
        while not stop.is_set():
            try:
                deleted = self.round()
            except (ArchiveError, OSError) as error:
                _LOG.warning("no study is deleted for now: %s", error)
                deleted = 0
            stop.wait(_ROUND_SECONDS if deleted < _MOST_A_ROUND else 0.0)

    def round(self) -> int:
        """Delete at most so many studies as one round may; tells how many."""
        if self._settings.days is None or not self._is_short_of_space():
            return 0
        before = self._clock() - timedelta(days=self._settings.days)
        deleted = 0
        for uid in self._archive.retention.candidates(before, self._proving, _MOST_A_ROUND):
            if deleted and not self._is_short_of_space():
                break
            forgotten = self._archive.retention.forget(uid, before, self._proving, self._clock())
            if forgotten is not None:
                deleted += 1
                _LOG.info("study %s is deleted: %d instances, delivered and old enough", uid, forgotten.instances)
        return deleted

    def _is_short_of_space(self) -> bool:
        least = self._settings.start_below_mib
        return least is None or self._archive.space.free() < least << 20
