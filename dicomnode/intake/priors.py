"""Fetching the earlier studies that a model looks at beside the new one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.archive.priors import Awaited
from dicomnode.archive.records import Origin, QidoQuery, StudyRecord, Way
from dicomnode.bundles.metadata import Priors
from dicomnode.dicom.kinds import is_image
from dicomnode.errors import ArchiveError, NotFoundError, PeerError, PeerUnavailableError
from dicomnode.intake.comparing import OpenPacs
from dicomnode.intake.fetching import Fetcher
from dicomnode.settings import PacsSettings

_LOG = logging.getLogger(__name__)
_ROUND_SECONDS = 2.0
_PAUSE = timedelta(seconds=15)
_MOST_TRIED = 8  # earlier studies looked into per prior that is wanted


@dataclass(frozen=True, slots=True)
class _Candidate:
    study_instance_uid: str
    study_date: str
    pacs: PacsSettings | None  # None: only here


class PriorFetching:
    """Finds the priors of each job that waits for some, and ends its waiting.

    The patient has to be the same by Patient ID and issuer, in the answer of the PACS and in the files that came.

    Args:
        archive: Holds the studies and jobs.
        pacs: Who is asked, all of them.
        open_pacs: Gives a client.
        wanted: What a model wants of priors, None for one that is gone.
        clock: Present time.
        patience_seconds: A PACS that is away is asked again for this long.
    """

    def __init__(
        self,
        archive: Archive,
        pacs: Sequence[PacsSettings],
        open_pacs: OpenPacs,
        wanted: Callable[[str], Priors | None],
        clock: Callable[[], datetime],
        patience_seconds: float,
    ) -> None:
        self._archive = archive
        self._pacs = pacs
        self._open_pacs = open_pacs
        self._wanted = wanted
        self._clock = clock
        self._patience = timedelta(seconds=patience_seconds)
        self._paused: dict[int, datetime] = {}

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        waiter = self._archive.wakeups.waiter()
        while not stop.is_set():
            self.step(stop)
            waiter.wait(stop, _ROUND_SECONDS)

    def step(self, stop: threading.Event) -> None:
        """Look at every job that waits."""
        for awaited in self._archive.priors.awaited():
            if stop.is_set():
                return
            paused = self._paused.get(awaited.job_id)
            if paused is not None and abs(self._clock() - paused) < _PAUSE:  # a clock that was put back adds nothing
                continue
            try:
                self._look(awaited, stop)
            except (ArchiveError, OSError) as error:
                _LOG.error("priors of study %s: %s", awaited.study_instance_uid, error)
                self._paused[awaited.job_id] = self._clock()

    def _look(self, awaited: Awaited, stop: threading.Event) -> None:
        wanted = self._wanted(awaited.model_name)
        if wanted is None:
            self._archive.priors.settle(awaited, (), (), "", self._clock())
            return
        troubles: list[str] = []
        record = self._archive.studies.record(awaited.study_instance_uid)
        found: list[str] = []
        for candidate in self._candidates(record, wanted, troubles)[: _MOST_TRIED * wanted.count]:
            if len(found) == wanted.count or stop.is_set():
                break
            if self._bring(awaited, record, candidate, wanted, troubles, stop):
                found.append(candidate.study_instance_uid)
        if stop.is_set():
            return
        if troubles and len(found) < wanted.count and self._clock() - awaited.since < self._patience:
            self._paused[awaited.job_id] = self._clock()
            return
        self._paused.pop(awaited.job_id, None)
        self._settle(awaited, wanted, found, troubles)

    def _settle(self, awaited: Awaited, wanted: Priors, found: Sequence[str], troubles: Sequence[str]) -> None:
        lines = [f"prior {uid} is given to the model" for uid in found]
        refusal = ""
        if len(found) < wanted.count:
            what = f"{len(found)} of {wanted.count} found" if found else "none found"
            text = "; ".join((f"prior {'required' if wanted.required else 'wanted'}, {what}", *dict.fromkeys(troubles)))
            refusal = text if wanted.required else ""
            lines.append(text if wanted.required else f"{text}; the model goes without")
        self._archive.priors.settle(awaited, found, lines, refusal, self._clock())

    def _candidates(self, record: StudyRecord, wanted: Priors, troubles: list[str]) -> list[_Candidate]:
        """Earlier studies of the patient that may do, the newest first."""
        patient = record.attributes
        if not patient.patient_id or not patient.study_date:
            return []
        found: dict[str, _Candidate] = {}
        for item in self._archive.studies.search_studies(QidoQuery((("PatientID", patient.patient_id),))):
            if _fits(record, item.attributes.study_date, item.modalities, wanted):
                found[item.study_instance_uid] = _Candidate(item.study_instance_uid, item.attributes.study_date, None)
        for settings in self._pacs:
            try:
                with self._open_pacs(settings) as pacs:
                    held = pacs.studies_of_patient(patient.patient_id, patient.issuer_of_patient_id)
            except PeerError as error:
                _note(troubles, error)
                continue
            for study in held:
                if _fits(record, study.study_date, study.modalities, wanted):
                    candidate = _Candidate(study.study_instance_uid, study.study_date, settings)
                    found.setdefault(study.study_instance_uid, candidate)
        found.pop(record.study_instance_uid, None)
        return sorted(found.values(), key=lambda item: (item.study_date, item.study_instance_uid), reverse=True)

    def _bring(
        self,
        awaited: Awaited,
        record: StudyRecord,
        candidate: _Candidate,
        wanted: Priors,
        troubles: list[str],
        stop: threading.Event,
    ) -> bool:
        """Fetch a study unless it is here; False if it turns out not to do."""
        uid = candidate.study_instance_uid
        if candidate.pacs is not None and candidate.pacs.fetched_by != "none":
            self._archive.priors.try_one(awaited, uid)
            try:
                self._fetch(candidate.pacs, uid, stop)
            except PeerError as error:
                _note(troubles, error)
                return False
        try:
            return self._is_prior(record, uid, wanted)
        except NotFoundError:
            return False

    def _fetch(self, settings: PacsSettings, uid: str, stop: threading.Event) -> None:
        with self._open_pacs(settings) as pacs:
            held = pacs.instances(uid)
            known = self._archive.instances.known(uid)
            images = [item for item in held if not item.sop_class_uid or is_image(item.sop_class_uid)]
            missing = [item for item in images if item.sop_instance_uid not in known]
            fetcher = Fetcher(self._archive, Origin(Way.PRIOR, peer=settings.name), self._clock)
            fetcher.fetch(pacs, uid, held, missing, stop)
        if settings.fetched_by == "c-move":
            self._await_moved(uid, {item.sop_instance_uid for item in missing}, stop)

    def _await_moved(self, uid: str, wanted: set[str], stop: threading.Event) -> None:
        for _ in range(50):  # 5 s: what was moved is in the index within a second of its acknowledgement
            if wanted <= self._archive.instances.known(uid) or stop.wait(0.1):
                return

    def _is_prior(self, record: StudyRecord, uid: str, wanted: Priors) -> bool:
        """Whether what is here is of the same patient, holds images and shows the same part of the body."""
        prior, patient = self._archive.studies.record(uid), record.attributes
        identity = (prior.attributes.patient_id, prior.attributes.issuer_of_patient_id)
        if prior.identity_conflict or identity != (patient.patient_id, patient.issuer_of_patient_id):
            return False
        if not any(map(is_image, prior.sop_classes)):
            return False
        here, there = set(self._parts(record.study_instance_uid)), set(self._parts(uid))
        return not wanted.same_body_part or not here or not there or bool(here & there)

    def _parts(self, uid: str) -> Iterator[str]:
        return (item.body_part_examined for item in self._archive.studies.get(uid).series if item.body_part_examined)


def _fits(record: StudyRecord, study_date: str, modalities: Sequence[str], wanted: Priors) -> bool:
    """Whether a study is earlier, recent enough, and of the same modality where that is wanted."""
    new, old = _day(record.attributes.study_date), _day(study_date)
    if new is None or old is None or old >= new:
        return False
    if wanted.within_days is not None and (new - old).days > wanted.within_days:
        return False
    return not wanted.same_modality or bool(set(modalities) & set(record.modalities))


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def _note(troubles: list[str], error: PeerError) -> None:
    troubles.append(str(error))
    if isinstance(error, PeerUnavailableError):
        _LOG.warning("%s", error)
