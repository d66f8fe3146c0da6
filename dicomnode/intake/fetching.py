"""Fetching from a PACS what is not here of a study."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin
from dicomnode.errors import InputError, PeerRefusedError
from dicomnode.intake.sending import Sending
from dicomnode.intake.storing import Announced, store_stream

_LOG = logging.getLogger(__name__)


class Listed(Protocol):
    """An instance that a PACS lists."""

    @property
    def series_instance_uid(self) -> str:
        """(0020,000E)."""

    @property
    def sop_instance_uid(self) -> str:
        """(0008,0018)."""


class Giver(Protocol):
    """Who instances are fetched from."""

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Instances as files in pieces."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a retrieval ended.

    Attributes:
        kept: Instances that came and were kept.
        whole: False if some have to be asked for again.
    """

    kept: int
    whole: bool


class Fetcher:
    """Brings instances into the archive, as studies that are held open until all are here.

    Args:
        archive: Where instances go.
        origin: Where they come from.
        clock: Present time.
    """

    def __init__(self, archive: Archive, origin: Origin, clock: Callable[[], datetime]) -> None:
        self._archive = archive
        self._origin = origin
        self._clock = clock

    def fetch(
        self,
        giver: Giver,
        study_instance_uid: str,
        held: Sequence[Listed],
        missing: Sequence[Listed],
        stop: threading.Event,
    ) -> Fetched:
        """Fetch what is missing.

        Args:
            giver: The PACS.
            study_instance_uid: The study; instances of any other are refused.
            held: All that the PACS lists.
            missing: Those that are wanted.
            stop: Ends it between two retrievals.

        Raises:
            PeerUnavailableError: The PACS is away; what was fetched before is kept.
            ArchiveError: The archive is full or busy.
        """
        kept, whole = 0, True
        with Sending(self._archive, self._clock) as sending:
            for series, sop in requests(held, missing):
                if stop.is_set():
                    return Fetched(kept, False)
                try:
                    for content in giver.retrieve(study_instance_uid, series, sop):
                        kept += self._keep(study_instance_uid, content, sending)
                except PeerRefusedError as error:
                    # One object that the PACS will not give must not keep the others away.
                    _LOG.warning("%s: %s (study %s)", self._origin.peer, error, study_instance_uid)
                    whole = False
        return Fetched(kept, whole)

    def _keep(self, study_instance_uid: str, content: Iterator[bytes], sending: Sending) -> int:
        announced = Announced(study_instance_uid=study_instance_uid)
        now = self._clock()
        try:
            stored = store_stream(
                self._archive,
                content,
                self._origin,
                now,
                announced,
                lambda header: sending.touch(header.study_instance_uid),
            )
        except InputError as error:
            # It would be refused the next time too
            text = "%s: an instance of study %s was refused: %s"
            _LOG.warning(text, self._origin.peer, study_instance_uid, error)
            return 0
        sending.kept(stored.instance, self._origin)
        return 1


def requests(held: Sequence[Listed], missing: Sequence[Listed]) -> Iterator[tuple[str | None, str | None]]:
    """The fewest retrievals (series, instance) that bring what is missing and nothing else."""
    if not missing:
        return
    if len(missing) == len(held):
        yield None, None
        return
    wanted: dict[str, list[str]] = {}
    for item in missing:
        wanted.setdefault(item.series_instance_uid, []).append(item.sop_instance_uid)
    for series, instances in wanted.items():
        if len(instances) == sum(item.series_instance_uid == series for item in held):
            yield series, None
        else:
            for sop in instances:
                yield series, sop
