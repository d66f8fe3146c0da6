"""An archive with everything in it that the pages can show: studies, answers, evidence and deliveries in every state.

No patient ever was in it; the same words make the same UIDs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset

from dicomnode.archive import Archive
from dicomnode.archive.devices import DeviceRecord
from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.archive.records import Delivery, DeliveryState, DeploymentState, JobKind, NewJob, Origin, Way
from dicomnode.bundles import bundle_digest
from dicomnode.dicom.header import read_header
from dicomnode.dicom.uids import derive_uid
from dicomnode.findings import Finding, Mask, Outcome, Polygon, Presence, Result
from dicomnode.inference.result_json import result_to_json
from dicomnode.jobs.publishing import write_answer
from dicomnode.study import SourceReference
from tests.evidence_cases import MODEL, answer, finding
from tests.factories import make_instance

MODELS = Path(__file__).parent.parent / "models"
DETECTOR, CLASSIFIER = "brain_mri_lesion_detector", "brain_mri_tumor_classifier"
AE_TITLE = "DICOMNODE"
SIZE = 96
MADE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was put in, by what it shows.

    Attributes:
        positive: Study UID: two models' findings, with evidence and deliveries of many states.
        negative: A study without findings.
        out_of_scope: A model said that the images are not its business.
        refused: The images could not be trusted.
        failed: A job that failed.
        unrouted: A CT that no model wanted; its trace says why.
        arriving: A study that is still open.
        waiting: A study whose job waits.
        running: A study whose job is leased.
        quarantined: A study that no model is given any more.
        conflict: A study whose instances name two patients.
    """

    positive: str
    negative: str
    out_of_scope: str
    refused: str
    failed: str
    unrouted: str
    arriving: str
    waiting: str
    running: str
    quarantined: str
    conflict: str

    @property
    def studies(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(getattr(self, name) for name in self.__slots__)


class Filler:
    """Puts studies and answers into an archive as a running node does."""

    def __init__(self, archive: Archive, now: datetime) -> None:
        self.archive = archive
        self.now = now
        self._digests = {name: bundle_digest(MODELS / name) for name in (DETECTOR, CLASSIFIER)}
        self._owner = archive.jobs.claim_name()

    def fill(self) -> Seen:
        """Everything."""
        self.archive.deployments.approve(DETECTOR, self._digests[DETECTOR], DeploymentState.LIVE, self.now)
        self.archive.deployments.approve(CLASSIFIER, self._digests[CLASSIFIER], DeploymentState.SILENT, self.now)
        seen = Seen(
            positive=self._positive(),
            negative=self._answered("negative", "Head without findings", _negative),
            out_of_scope=self._answered("scope", "Spine", _unanswered(Outcome.OUT_OF_SCOPE, "no slice shows a head")),
            refused=self._answered("refused", "Head, damaged", _unanswered(Outcome.REFUSED, "2 slices are missing")),
            failed=self._failed(),
            unrouted=self._unrouted(),
            arriving=self.store("arriving", "Head, arriving", count=2),
            waiting=self._queued("waiting", "Head, waiting"),
            running=self._queued("running", "Head, running", leased=True),
            quarantined=self._quarantined(),
            conflict=self._conflict(),
        )
        self._deliveries()
        self._peers()
        return seen

    def store(self, name: str, description: str, count: int = 6, modality: str = "MR", **attributes: Any) -> str:
        """Instances of a new study, a minute ago; gives its UID."""
        for dataset in head(name, count, modality, StudyDescription=description, **attributes):
            self.keep(dataset)
        return derive_uid("test", name)

    def keep(self, dataset: FileDataset) -> None:
        """One instance, as intake keeps it."""
        buffer = BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        origin = Origin(Way.C_STORE, "MODALITY", AE_TITLE, "127.0.0.1")
        with self.archive.instances.new_file() as staged:
            staged.write(buffer.getvalue())
            header = read_header(BytesIO(buffer.getvalue()))
            self.archive.instances.commit(staged, header, origin, self.now - timedelta(minutes=1))

    def complete(self, study: str) -> int:
        """Close a study; gives its generation."""
        arrivals = next(s.arrivals for s in self.archive.studies.open_studies() if s.study_instance_uid == study)
        generation = self.archive.studies.complete(study, "released, quiet for 10 s", arrivals, self.now)
        assert generation is not None
        return generation

    def route(self, study: str, *models: str, why_not: Sequence[tuple[str, str]] = ()) -> None:
        """Complete a study and give it to models."""
        (series,) = (series.series_instance_uid for series in self.archive.studies.get(study).series)
        jobs = [self._job(model, series) for model in models]
        lines = [(job.model_name, job.reason) for job in jobs]
        self.archive.jobs.add_all(study, self.complete(study), jobs, [*lines, *why_not], self.now)

    def answer(self, result: Result, error: str = "") -> None:
        """Let the next job end with a result."""
        study = self.archive.studies.get(result.study_instance_uid)
        job = self.archive.jobs.lease(self._owner, self.now, 60)
        assert job is not None
        model = replace(result.model, name=job.model_name, digest=job.bundle_digest)
        written = write_answer(
            self.archive, study, replace(result, model=model), result_to_json(replace(result, model=model)), AE_TITLE
        )
        ended = (job.job_id, self._owner, written.evidence, written.result_json, self.now)
        assert self.archive.jobs.finish(*ended, error=error)

    def images(self, study: str) -> tuple[SourceReference, ...]:
        """Its images, in order."""
        instances = [i for series in self.archive.studies.get(study).series for i in series.instances]
        return tuple(SourceReference(i.sop_class_uid, i.sop_instance_uid, i.series_instance_uid) for i in instances)

    def _job(self, model: str, series: str) -> NewJob:
        silent = model == CLASSIFIER
        targets = () if silent else ("pacs", "research")
        reason = "MR of the head: series 1 with 6 images"
        return NewJob(model, self._digests[model], JobKind.INFER, reason, (series,), targets, silent)

    def _positive(self) -> str:
        study = self.store("positive", "Head with contrast", AccessionNumber="ACC-POSITIVE")
        self.route(study, DETECTOR, CLASSIFIER, why_not=[("mammography_lesion_detector", "not for MR")])
        images = self.images(study)
        found = (_lesion("Lesion 1", images[2:4], 0.91), _lesion("Lesion 2", images[4:5], 0.64, (30, 60), 6))
        for findings in (found, ()):
            self.answer(_result(study, images, answer(images[2:4]), findings))
        return study

    def _answered(self, name: str, description: str, make: Any) -> str:
        study = self.store(name, description)
        self.route(study, DETECTOR)
        self.answer(make(study, self.images(study)))
        return study

    def _failed(self) -> str:
        study = self.store("failed", "Head, failed")
        self.route(study, DETECTOR)
        reason = "processing failed: out of memory on cuda:0"
        self.answer(_unanswered(Outcome.FAILED, reason)(study, self.images(study)), error="out of memory on cuda:0")
        return study

    def _unrouted(self) -> str:
        study = self.store("chest", "Chest", modality="CT", BodyPartExamined="CHEST")
        why_not = [(DETECTOR, "series 1: modality CT, it takes MR"), (CLASSIFIER, "series 1: modality CT, it takes MR")]
        self.route(study, why_not=why_not)
        return study

    def _queued(self, name: str, description: str, *, leased: bool = False) -> str:
        study = self.store(name, description)
        self.route(study, DETECTOR)
        job = self.archive.jobs.lease(self._owner, self.now, 3600)
        assert job is not None
        if not leased:
            later = self.now + timedelta(hours=1)
            self.archive.jobs.retry_later(job.job_id, self._owner, "waits for disk space", later, self.now)
        return study

    def _quarantined(self) -> str:
        study = self.store("quarantined", "Head, quarantined")
        self.route(study)
        self.archive.quarantine.put(study, f"{DETECTOR}: its worker died 3 times", self.now)
        return study

    def _conflict(self) -> str:
        study = self.store("conflict", "Head, two patients", count=2)
        (other,) = head("conflict", 1, "MR", PatientID="TEST-2", first=7)
        self.keep(other)
        return study

    def _deliveries(self) -> None:
        """Each delivery of the archive in another state, as far as there are states."""
        said = {
            DeliveryState.DELIVERED: "0x0000 success",
            DeliveryState.WARNING: "0xB000 coercion of data elements",
            DeliveryState.REFUSED: "0x0122 SOP class not supported",
            DeliveryState.HELD: "the PACS tells another patient",
            DeliveryState.WAITING: "nobody listens on 127.0.0.1 port 1",
            DeliveryState.REPLACED: "an object with the corrected identity goes in its place",
            DeliveryState.COVERED: "the text report says the same",
            DeliveryState.CANCELLED: "recalled",
        }
        states = list(said)
        for number, delivery in enumerate(self.archive.deliveries.list()):
            self.end(delivery, states[number % len(states)], said[states[number % len(states)]])

    def end(self, delivery: Delivery, state: DeliveryState, status: str) -> None:
        """Let a delivery end, as a target's answer does."""
        until = self.now + timedelta(minutes=1)
        self.archive.deliveries.lease(delivery.delivery_id, self._owner, until, self.now)
        later = self.now + timedelta(hours=1)
        told = (delivery.delivery_id, self._owner, state, status, later, self.now)
        self.archive.deliveries.mark(*told, prove=state is DeliveryState.DELIVERED)

    def _peers(self) -> None:
        minute = self.now - timedelta(minutes=1)
        for echo in (
            Echo(PeerKind.TARGET, "pacs", minute, True, "0x0000 success", 12),
            Echo(PeerKind.TARGET, "research", minute, False, "nobody listens on 127.0.0.1 port 1", 3),
            Echo(PeerKind.PACS, "archive", minute, True, "0x0000 success", 8),
        ):
            self.archive.echoes.note(echo)
        memory = (3 * 2**30, 16 * 2**30)
        device = DeviceRecord("worker-1", "cpu", "CPU with 2 cores", *memory, (DETECTOR, CLASSIFIER), self.now)
        self.archive.devices.note(device, minute)


def head(name: str, count: int, modality: str, *, first: int = 1, **attributes: Any) -> list[FileDataset]:
    """Slices of something that looks like a head, with a bright spot in the middle ones."""
    attributes = {"BodyPartExamined": "HEAD", "SeriesDescription": "T1 with contrast", **attributes}
    return [
        make_instance(
            study=name,
            name=str(number),
            modality=modality,
            pixels=_slice(number, modality),
            position=(-48.0, -48.0, 5.0 * number),
            pixel_spacing=(2.0, 2.0),
            InstanceNumber=number,
            SliceThickness=5.0,
            **attributes,
        )
        for number in range(first, first + count)
    ]


def _slice(number: int, modality: str) -> npt.NDArray[Any]:
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    inside = (rows / 40) ** 2 + (columns / 33) ** 2
    pixels = np.where(inside < 1, 500 + 150 * np.cos(6 * inside + number), 0.0)
    pixels = np.where((inside > 0.85) & (inside < 1), 1200.0, pixels)
    if 3 <= number <= 4:
        pixels += 700 * np.exp(-((rows + 8) ** 2 + (columns - 12) ** 2) / 60)
    return (pixels - 1000 * (modality == "CT")).astype(np.int16 if modality == "CT" else np.uint16)


def _lesion(
    label: str, images: Sequence[SourceReference], score: float, centre: tuple[int, int] = (60, 40), radius: int = 9
) -> Finding:
    turns = [2 * math.pi * step / 24 for step in range(24)]
    outline = np.array([[centre[0] + radius * math.cos(t), centre[1] + radius * math.sin(t)] for t in turns])
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    disc = (columns - centre[0]) ** 2 + (rows - centre[1]) ** 2 <= radius**2
    mask = Mask(tuple(images), np.repeat(disc[None], len(images), axis=0))
    return finding(label, images, score=score, contours=tuple(Polygon(i, outline) for i in images), mask=mask)


def _result(study: str, images: tuple[SourceReference, ...], said: Any, findings: tuple[Finding, ...]) -> Result:
    outcome = Outcome.FINDINGS if said and said.presence is Presence.PRESENT else Outcome.NO_FINDINGS
    reason = f"score {said.score:.2f} {'reached' if outcome is Outcome.FINDINGS else 'is below'} the threshold 0.50"
    return Result(study, MODEL, outcome, reason, said, findings, images, "1" * 64, MADE)


def _negative(study: str, images: tuple[SourceReference, ...]) -> Result:
    return _result(study, images, answer(images[:1], presence=Presence.ABSENT, score=0.04, calibrated=True), ())


def _unanswered(outcome: Outcome, reason: str) -> Any:
    def make(study: str, images: tuple[SourceReference, ...]) -> Result:
        return Result(study, MODEL, outcome, reason, None, (), images, "1" * 64, MADE)

    return make
