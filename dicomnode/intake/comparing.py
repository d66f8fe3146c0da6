"""What a PACS holds of a study beside what is here; what is missing is fetched."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.archive.checks import CheckState
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.kinds import is_image
from dicomnode.errors import PeerError, PeerUnavailableError
from dicomnode.intake.fetching import Fetcher
from dicomnode.peers.asking import HeldInstance, Pacs
from dicomnode.settings import PacsSettings

_LOG = logging.getLogger(__name__)
# A PACS that is away is not asked for each study that waits
_AWAY = timedelta(seconds=15)
# What a PACS has moved was acknowledged by the listener, and is in the index within a second
_MOVED_SECONDS = 5.0
OpenPacs = Callable[[PacsSettings], Pacs]


@dataclass(frozen=True, slots=True)
class Compared:
    """How a study compares with a PACS.

    Attributes:
        state: Whole, incomplete or unchecked; waiting if trying again may help.
        pacs: Who answered, empty if none did.
        expected: Images that it lists, None if none answered.
        held: Of those, how many are here.
        gained: How many of them were fetched just now.
        status: One line for the trace.
    """

    state: CheckState
    pacs: str
    expected: int | None
    held: int
    gained: int
    status: str


class Comparing:
    """Asks one PACS after the other about a study; the first that knows it answers.

    Args:
        archive: What is here.
        pacs: Who is asked, in this order.
        open_pacs: Gives a client.
        clock: Present time.
    """

    def __init__(
        self, archive: Archive, pacs: Sequence[PacsSettings], open_pacs: OpenPacs, clock: Callable[[], datetime]
    ) -> None:
        self._archive = archive
        self._pacs = pacs
        self._open_pacs = open_pacs
        self._clock = clock
        self._away: dict[str, tuple[datetime, str]] = {}

    def compare(self, study_instance_uid: str, stop: threading.Event) -> Compared:
        """Compare a study and fetch what is missing.

        Raises:
            ArchiveError: The archive is full or busy.
        """
        troubles: list[PeerError] = []
        for settings in self._pacs:
            try:
                found = self._compare_with(settings, study_instance_uid, stop)
            except PeerError as error:
                self._note(settings, error)
                troubles.append(error)
            else:
                if found is not None:
                    return found
        return _without_answer([settings.name for settings in self._pacs], troubles)

    def _compare_with(self, settings: PacsSettings, uid: str, stop: threading.Event) -> Compared | None:
        since, trouble = self._away.get(settings.name, (None, ""))
        if since is not None and abs(self._clock() - since) < _AWAY:  # a clock that was put back makes it no longer
            raise PeerUnavailableError(trouble)
        with self._open_pacs(settings) as pacs:
            if pacs.study(uid) is None:
                return None
            held = pacs.instances(uid)
            own = self._archive.instances.own(uid)
            images = [item for item in held if _counts(item) and item.sop_instance_uid not in own]
            missing = self._missing(uid, images)
            if missing and settings.fetched_by != "none":
                self._fetch(settings, pacs, uid, held, missing, stop)
            still = self._missing(uid, missing)
        return _compared(settings.name, len(images), len(missing), len(still), self._images_here(uid))

    def _fetch(
        self,
        settings: PacsSettings,
        pacs: Pacs,
        uid: str,
        held: Sequence[HeldInstance],
        missing: Sequence[HeldInstance],
        stop: threading.Event,
    ) -> None:
        Fetcher(self._archive, Origin(Way.FETCH, peer=settings.name), self._clock).fetch(pacs, uid, held, missing, stop)
        if settings.fetched_by == "c-move":
            deadline = time.monotonic() + _MOVED_SECONDS
            while self._missing(uid, missing) and time.monotonic() < deadline and not stop.wait(0.1):
                pass

    def _missing(self, uid: str, items: Sequence[HeldInstance]) -> list[HeldInstance]:
        known = self._archive.instances.known(uid)
        return [item for item in items if item.sop_instance_uid not in known]

    def _images_here(self, uid: str) -> int:
        study = self._archive.studies.get(uid)
        return sum(is_image(item.sop_class_uid) for series in study.series for item in series.instances)

    def _note(self, settings: PacsSettings, error: PeerError) -> None:
        if isinstance(error, PeerUnavailableError) and self._away.get(settings.name, (None, ""))[1] != str(error):
            _LOG.warning("pacs %s: %s", settings.name, error)
        if isinstance(error, PeerUnavailableError):
            self._away[settings.name] = (self._clock(), str(error))


def _counts(item: HeldInstance) -> bool:
    """Whether an instance is an image, or may be one because the PACS does not tell its class."""
    return not item.sop_class_uid or is_image(item.sop_class_uid)


def _compared(name: str, listed: int, missing: int, still: int, here: int) -> Compared:
    gained = missing - still
    if still:
        text = f"INCOMPLETE: pacs {name} lists {listed} images, {still} of them could not be had"
    elif listed < here:
        text = f"pacs {name} lists {listed} images so far, {here} are here"
    else:
        text = f"pacs {name} lists {listed} images, all of them are here"
    text += f" ({gained} fetched from it)" if gained else ""
    state = CheckState.INCOMPLETE if still else CheckState.WHOLE
    return Compared(state, name, listed, listed - still, gained, text)


def _without_answer(names: Sequence[str], troubles: Sequence[PeerError]) -> Compared:
    if not troubles:
        text = f"not checked: {' and '.join(names)} do not know the study (yet)"
        return Compared(CheckState.UNCHECKED, "", None, 0, 0, text)
    again = any(isinstance(error, PeerUnavailableError) for error in troubles)
    text = f"not checked: {'; '.join(map(str, troubles))}"
    return Compared(CheckState.WAITING if again else CheckState.UNCHECKED, "", None, 0, 0, text)
