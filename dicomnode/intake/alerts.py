"""Alerts about callers who do not belong: each once in a while, however often they knock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from dicomnode.archive.audit import AuditStore
from dicomnode.dicom.audit import AuditKind, AuditOutcome
from dicomnode.errors import ArchiveError

_LOG = logging.getLogger(__name__)
_PAUSE = timedelta(minutes=10)
_MOST_KEPT = 1024


class Alerts:
    """Writes to the audit; what came again meanwhile is counted in the tallies only."""

    def __init__(self, audit: AuditStore, clock: Callable[[], datetime]) -> None:
        """Args: the audit trail, and the present time."""
        self._audit = audit
        self._clock = clock
        self._told: dict[tuple[str, str], datetime] = {}
        self._guard = threading.Lock()

    def tell(self, peer: str, address: str, text: str) -> None:
        """Note that somebody was turned away who does not belong here.

        Args:
            peer: Name of the peer that it claimed to be.
            address: Where it came from.
            text: One line.
        """
        now = self._clock()
        if not self._is_news((peer, address), now):
            return
        try:
            kind, outcome = AuditKind.NODE_AUTHENTICATION, AuditOutcome.SERIOUS_FAILURE
            self._audit.add("security alert", text, now, kind=kind, actor=f"@{address}", outcome=outcome)
        except ArchiveError as error:
            _LOG.error("security alert not written to the audit (%s): %s", error, text)

    def _is_news(self, key: tuple[str, str], now: datetime) -> bool:
        with self._guard:
            if now - self._told.get(key, now - _PAUSE) < _PAUSE:
                return False
            if len(self._told) >= _MOST_KEPT:
                self._told = {known: at for known, at in self._told.items() if now - at < _PAUSE}
            if len(self._told) >= _MOST_KEPT:
                return False
            self._told[key] = now
            return True
