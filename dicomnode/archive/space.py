"""Whether there is room for what arrives: water marks with a gap between them, one answer for all processes."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.watermarks import WatermarkStore
from dicomnode.errors import ArchiveError, ArchiveFullError
from dicomnode.settings import StorageSettings

_LOG = logging.getLogger(__name__)
_MARK = "storage"
_ACCEPTING, _REFUSING = "accepting", "refusing"
_FRESH_SECONDS = 1.0
_SUM_SECONDS = 60.0
_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Space:
    """How full the node is.

    Attributes:
        free: Bytes that the data folder's disk has left.
        kept: Bytes of the instances that the node keeps; 0 where no maximum is set and nobody counts.
        refusal: Why nothing is taken, one line; empty while it is.
    """

    free: int
    kept: int
    refusal: str


def refusal_of(settings: StorageSettings, free: int, kept: int, refusing: bool) -> str:
    """Why nothing more may arrive just now, empty if it may.

    Args:
        settings: The marks.
        free: Bytes that the disk has left.
        kept: Bytes that the node keeps.
        refusing: Whether it refused until now: between the marks it goes on as it was.
    """
    mark = settings.accept_above_mib if refusing else settings.refuse_below_mib
    if free < mark * _MIB:
        return f"only {free // _MIB} MiB of disk are left, {mark} are needed (storage): make room"
    if settings.maximum_gib is None:
        return ""
    gap = (settings.accept_above_mib - settings.refuse_below_mib) * _MIB
    limit = settings.maximum_gib * _GIB
    # The same gap as on the disk, but never so wide that a small node could not accept again.
    most = limit - min(gap, 0.1 * limit) if refusing else limit
    if kept >= most:
        return f"the node keeps {kept / _GIB:.1f} GiB, {most / _GIB:.1f} are allowed (storage.maximum_gib): make room"
    return ""


class SpaceGuard:
    """Says for every process of the node whether instances may arrive; asks disk and index once a second at most."""

    def __init__(
        self, settings: StorageSettings, root: Path, database: Database, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args: the marks, the data folder, the index, and a monotonic clock in seconds."""
        self._settings = settings
        self._root = root
        self._database = database
        self._marks = WatermarkStore(database)
        self._clock = clock
        self._guard = threading.Lock()
        self._space: Space | None = None
        self._looked_at = self._summed_at = 0.0
        self._sum = self._since = 0
        self._refusing = False

    def look(self) -> Space:
        """How full the node is, as of the last second."""
        with self._guard:
            now = self._clock()
            if self._space is None or now - self._looked_at >= _FRESH_SECONDS:
                self._space, self._looked_at = self._measured(now), now
            return self._space

    def require(self) -> None:
        """Refuse what arrives while there is no room.

        Raises:
            ArchiveFullError: Until the upper mark is reached again.
        """
        refusal = self.look().refusal
        if refusal:
            raise ArchiveFullError(refusal)

    def free(self) -> int:
        """Bytes that the data folder's disk has left at this moment."""
        return shutil.disk_usage(self._root).free

    def added(self, size: int) -> None:
        """Count bytes that were kept a moment ago, or, below 0, deleted."""
        with self._guard:
            self._since += size

    def _measured(self, now: float) -> Space:
        free = self.free()
        try:
            kept = self._kept(now)
            self._refusing = self._marks.get(_MARK) == _REFUSING
        except ArchiveError as error:  # an index that cannot be asked will not take anything either, and say why
            _LOG.warning("whether there is room is told from the disk alone: %s", error)
            kept = self._sum + self._since
        refusal = refusal_of(self._settings, free, kept, self._refusing)
        if bool(refusal) != self._refusing:
            self._turn(refusal)
        return Space(free, kept, refusal)

    def _turn(self, refusal: str) -> None:
        self._refusing = bool(refusal)
        if refusal:
            _LOG.warning("instances are refused from now on: %s", refusal)
        else:
            _LOG.warning("there is room again: instances are accepted from now on")
        try:
            self._marks.set(_MARK, _REFUSING if refusal else _ACCEPTING)
        except ArchiveError as error:
            _LOG.warning("other processes find out for themselves: %s", error)

    def _kept(self, now: float) -> int:
        if self._settings.maximum_gib is None:
            return 0
        if not self._summed_at or now - self._summed_at >= _SUM_SECONDS:
            with self._database.read() as connection:
                self._sum = int(connection.execute(select(func.sum(tables.instances.c.size))).scalar_one() or 0)
            self._summed_at, self._since = now, 0
        return self._sum + self._since
