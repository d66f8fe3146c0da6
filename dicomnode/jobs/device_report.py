"""Tells the index what a worker's device does, for pages and monitors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event

from dicomnode.archive import Archive
from dicomnode.archive.devices import DeviceRecord
from dicomnode.errors import ArchiveError
from dicomnode.inference.device_figures import DeviceFigures

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 20.0
_SILENT = timedelta(hours=1)


class DeviceReport:
    """Writes one row while a worker lives."""

    def __init__(
        self,
        archive: Archive,
        owner: str,
        look: Callable[[], DeviceFigures],
        loaded: Callable[[], tuple[str, ...]],
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare the report.

        Args:
            archive: Takes it.
            owner: The worker's name in leases.
            look: Gives the device's figures.
            loaded: Gives the names of the models that are loaded.
            clock: Present time, with time zone.
        """
        self._archive = archive
        self._owner = owner
        self._look = look
        self._loaded = loaded
        self._clock = clock

    def run(self, stop: Event) -> None:
        """Report until told to stop."""
        while not stop.is_set():
            self.report()
            stop.wait(_PAUSE_SECONDS)
        with suppress(ArchiveError):  # it is forgotten by itself
            self._archive.devices.forget(self._owner)

    def report(self) -> None:
        """Write how the device stands now."""
        seen, now = self._look(), self._clock()
        record = DeviceRecord(
            self._owner, seen.name, seen.description, seen.memory_used, seen.memory_size, self._loaded(), now
        )
        try:
            self._archive.devices.note(record, now - _SILENT)
        except ArchiveError as error:
            _LOG.warning("the state of device %s is told later: %s", seen.name, error)
