"""Asks every system of the settings from time to time whether it answers; a part of the role dispatch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Event

from dicomnode.archive import Archive
from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.errors import DicomNodeError, describe
from dicomnode.peers.knocking import knock, peers_of
from dicomnode.settings import Settings

_LOG = logging.getLogger(__name__)
_FIRST_SECONDS = 60.0

Knock = Callable[[PeerKind, str, Settings, datetime], Echo]


class EchoRounds:
    """Keeps the last echo of every system fresh, and says in the log when one goes away or comes back."""

    def __init__(self, archive: Archive, settings: Settings, clock: Callable[[], datetime], ask: Knock = knock) -> None:
        """Prepare the rounds.

        Args:
            archive: Keeps the answers.
            settings: Name the systems.
            clock: Present time, with time zone.
            ask: Asks one of them.
        """
        self._archive = archive
        self._settings = settings
        self._clock = clock
        self._ask = ask

    def run(self, stop: Event) -> None:
        """Ask until told to stop; a node that starts has better things to do at first."""
        pause = self._settings.watch.echo_minutes * 60.0
        stop.wait(min(pause, _FIRST_SECONDS))
        while not stop.is_set():
            self.ask_all(stop)
            stop.wait(pause)

    def ask_all(self, stop: Event) -> None:
        """Ask each of them once."""
        try:
            before = {(echo.kind, echo.name): echo.good for echo in self._archive.echoes.list()}
            for kind, name in peers_of(self._settings):
                if stop.is_set():
                    return
                echo = self._ask(kind, name, self._settings, self._clock())
                self._archive.echoes.note(echo)
                self._say(echo, before.get((kind, name), True))
        except DicomNodeError as error:
            _LOG.warning("whether other systems answer is asked later: %s", describe(error))

    def _say(self, echo: Echo, was_good: bool) -> None:
        if was_good and not echo.good:
            _LOG.warning("%s %s does not answer as it should: %s", echo.kind, echo.name, echo.detail)
        elif echo.good and not was_good:
            _LOG.info("%s %s answers again", echo.kind, echo.name)
