"""Following a PACS unattended: ask by QIDO-RS, fetch by WADO-RS what is not here yet."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Protocol

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.audit import AuditKind
from dicomnode.errors import ArchiveError, PeerError, PeerUnavailableError
from dicomnode.intake.fetching import Fetcher
from dicomnode.peers.dicomweb import InstanceSummary, StudySummary
from dicomnode.peers.paging import pages
from dicomnode.settings import PollerSettings

_LOG = logging.getLogger(__name__)
_MOST_FAILURES_IN_A_ROUND = 3


class Peer(Protocol):
    """What the poller asks of a PACS; `dicomnode.peers.dicomweb.DicomWebPeer` does it."""

    def search_studies(self, filters: Mapping[str, str], limit: int, offset: int) -> list[StudySummary]:
        """One page of studies."""

    def search_instances(self, study_instance_uid: str, limit: int, offset: int) -> list[InstanceSummary]:
        """One page of a study's instances."""

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Instances as files in pieces."""


class Poller:
    """Asks one PACS again and again.

    What it has fetched is remembered in the archive: for each study in its window, how many instances
    the PACS held when all of them were here. A study whose count changed is asked for its instances,
    and only those that are not here are fetched; the node's own evidence is here already.

    Args:
        settings: Which PACS, which studies, how often.
        archive: Where instances go.
        peer: A client of the PACS.
        clock: Present time.
        random: For the jitter of the back-off.
    """

    def __init__(
        self,
        settings: PollerSettings,
        archive: Archive,
        peer: Peer,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Random | None = None,
    ) -> None:
        self._settings = settings
        self._archive = archive
        self._peer = peer
        self._clock = clock
        self._random = random or Random()  # noqa: S311 - spreads load, keeps no secret
        self._failures = 0
        self._trouble = ""
        self._told = ""

    def run(self, stop: threading.Event) -> None:
        """Poll until `stop` is set; no error of the PACS ends this."""
        while not stop.is_set():
            stop.wait(self.step(stop))

    def step(self, stop: threading.Event) -> float:
        """One round; tells for how many seconds to pause."""
        try:
            self.poll(stop)
        except (PeerError, ArchiveError, OSError) as error:
            self._failures += 1
            self._note(f"{type(error).__name__}: {error}")
        else:
            self._failures = 0
            self._note("")
        return pause_seconds(self._settings, self._failures, self._random)

    def poll(self, stop: threading.Event) -> int:
        """Ask once for all studies in the window, and fetch what is not here.

        Returns:
            How many instances were fetched.

        Raises:
            PeerUnavailableError: The PACS is away; what was fetched before is kept.
            PeerRefusedError: It refused a search.
            ArchiveError: The archive is full or busy.
        """
        self._audit_search()
        known = self._remembered()
        seen: dict[str, int] = {}
        fetched = 0
        trouble: list[PeerUnavailableError] = []
        for study in self._studies():
            if stop.is_set():
                return fetched
            uid = study.study_instance_uid
            if study.number_of_instances is not None and known.get(uid) == study.number_of_instances:
                seen[uid] = known[uid]
                continue
            try:
                count, new = self._fetch_study(uid, stop)
            except PeerUnavailableError as error:
                # One study that the PACS chokes on must not hide the others; a PACS that is away must not be
                # asked for each of them.
                trouble.append(error)
                if len(trouble) == _MOST_FAILURES_IN_A_ROUND:
                    break
                continue
            fetched += new
            if count is not None:
                seen[uid] = count
                self._remember(known | seen)
        if trouble:
            raise trouble[0]
        self._remember(seen)
        return fetched

    def _audit_search(self) -> None:
        """Write down what is asked for: once a day and start, when the dates change, not each round."""
        searches = list(self._searches())
        if (text := json.dumps(searches)) != self._told:
            self._told = text
            keys = ", ".join(sorted(set().union(*searches)))
            detail = f"QIDO-RS search for studies by {keys}, every {self._settings.interval_seconds:g} s"
            name = self._settings.name
            self._archive.audit.add("search", detail, self._clock(), kind=AuditKind.QUERY_SENT, actor=name)

    def _studies(self) -> Iterator[StudySummary]:
        """Every study in the window once, page by page."""
        given: set[str] = set()
        for filters in self._searches():
            for study in pages(partial(self._peer.search_studies, filters, self._settings.page_size)):
                if study.study_instance_uid not in given:
                    given.add(study.study_instance_uid)
                    yield study

    def _searches(self) -> Iterator[dict[str, str]]:
        """QIDO-RS has no list of modalities, so each is a search of its own."""
        settings = self._settings
        # Study Date is the hospital's local date; a study of tomorrow's date is a clock that runs ahead.
        first = (self._clock().astimezone() - timedelta(days=settings.days_back)).date()
        base = {"StudyDate": f"{first:%Y%m%d}-"} | dict(settings.filters)
        for modality in settings.modality or (None,):
            yield base if modality is None else base | {"ModalitiesInStudy": modality}

    def _fetch_study(self, uid: str, stop: threading.Event) -> tuple[int | None, int]:
        """Fetch what is not here of a study.

        Returns:
            How many instances the PACS holds, None if some of them have to be asked for again; and how
            many were fetched.
        """
        held = list(pages(partial(self._peer.search_instances, uid, self._settings.page_size)))
        known = self._archive.instances.known(uid)
        missing = [item for item in held if item.sop_instance_uid not in known]
        settings = self._settings
        origin = Origin(Way.POLL, "", settings.called_ae_title or "", settings.name)
        fetched = Fetcher(self._archive, origin, self._clock).fetch(self._peer, uid, held, missing, stop)
        if fetched.kept:
            text = f"{fetched.kept} of {len(held)} instances fetched by poller {settings.name}"
            generation = self._archive.studies.record(uid).generation
            self._archive.traces.add(uid, generation, "polled", None, text, self._clock())
        return (len(held) if fetched.whole else None), fetched.kept

    def _remembered(self) -> dict[str, int]:
        text = self._archive.watermarks.get(self._watermark)
        return {str(uid): int(count) for uid, count in json.loads(text).items()} if text else {}

    def _remember(self, counts: Mapping[str, int]) -> None:
        text = json.dumps(counts, sort_keys=True)
        if text != self._archive.watermarks.get(self._watermark):
            self._archive.watermarks.set(self._watermark, text)

    @property
    def _watermark(self) -> str:
        return f"poller {self._settings.name}"

    def _note(self, trouble: str) -> None:
        """Log each change of state once, not each attempt."""
        if trouble and not self._trouble:
            _LOG.warning("poller %s: %s; trying again until it answers", self._settings.name, trouble)
        if self._trouble and not trouble:
            _LOG.warning("poller %s: works again", self._settings.name)
        self._trouble = trouble


def pause_seconds(settings: PollerSettings, failures: int, random: Random) -> float:
    """How long to pause: the interval, doubled for each failure in a row up to the maximum, with jitter.

    After a failure between half and all of that, so that pollers do not come back all at once.
    """
    if failures == 0:
        return settings.interval_seconds
    longest = max(settings.maximum_backoff_seconds, settings.interval_seconds)
    pause = min(settings.interval_seconds * 2.0 ** min(failures, 30), longest)
    return pause * random.uniform(0.5, 1.0)
