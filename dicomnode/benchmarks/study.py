"""Whole studies from the first image sent to the report that Orthanc has taken, beside the bare model."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dicomnode.archive.records import Delivery, DeliveryState, Job, JobState
from dicomnode.benchmarks.processes import peak_memory, processor_seconds
from dicomnode.benchmarks.stage import NODE_AE_TITLE, SENDER_AE_TITLE, Stage, finish, storescu
from dicomnode.benchmarks.studies import CT, Shape, pixels_of, study_uid_of, write_study
from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document
from dicomnode.errors import DicomNodeError
from dicomnode.findings import Outcome
from dicomnode.peers.association import DimsePeer

Progress: TypeAlias = Callable[[str], None]
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 1800.0
_ANSWER = "answer"
_WAITING = (DeliveryState.WAITING, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        shapes: What studies are like, by modality.
        repeats: Turns of node, bare model and naive chain for each of them.
        rate: Slices a second of the CT studies that are sent slowly.
        studies: How many are sent so.
        at_once: CT studies that are sent at the same time; 0 leaves this out.
        idle_seconds: For so long the idle node is watched.
    """

    shapes: Mapping[str, Shape]
    repeats: int
    rate: float
    studies: int
    at_once: int
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class Turns:
    """Times of one kind of study, in seconds, one of each turn.

    Attributes:
        modality: Its kind.
        images: Of each study.
        node: From the start of storescu until Orthanc has the report.
        after_last: The part of it after the last image was acknowledged.
        everything: Until Orthanc has all documents of the answer.
        bare: Of the bare model.
        naive: Of the naive chain, as `node`.
    """

    modality: str
    images: int
    node: list[float] = field(default_factory=list)
    after_last: list[float] = field(default_factory=list)
    everything: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Many studies at the same time.

    Attributes:
        studies: How many.
        node: Seconds from the start of the first storescu until Orthanc has the last report.
        bare: Seconds of as many runs of the bare model.
    """

    studies: int
    node: float
    bare: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found.

    Attributes:
        turns: Of each kind of study.
        slow: Seconds from the last slice until Orthanc has the report, of each CT study that was sent slowly.
        at_once: None if left out.
        peak_bytes: Most memory of all the node's processes together (PSS).
        idle_percent: Of one core, that all of them together use while nothing happens; None if left out.
    """

    turns: tuple[Turns, ...]
    slow: tuple[float, ...]
    at_once: AtOnce | None
    peak_bytes: int
    idle_percent: float | None


def measure_studies(stage: Stage, plan: Plan, progress: Progress) -> Measured:
    """Measure one thing after the other; node and rivals by turns."""
    pixels = {modality: pixels_of(shape) for modality, shape in plan.shapes.items()}
    run = _Run(stage, plan.shapes, pixels, progress)
    with peak_memory(stage.processes) as peak:
        run.warm_up()
        idle = _idle_percent(stage, plan.idle_seconds, progress)
        turns = tuple(run.turns(modality, plan.repeats) for modality in plan.shapes)
        slow = tuple(run.slow(number, plan) for number in range(plan.studies))
        at_once = run.at_once(plan.at_once) if plan.at_once else None
    return Measured(turns, slow, at_once, peak.bytes, idle)


def _idle_percent(stage: Stage, seconds: float, progress: Progress) -> float | None:
    if seconds <= 0:
        return None
    progress("watching the idle node")
    used = processor_seconds(stage.processes)
    time.sleep(seconds)
    return 100 * (processor_seconds(stage.processes) - used) / seconds


@dataclass(frozen=True, slots=True)
class _Run:
    stage: Stage
    shapes: Mapping[str, Shape]
    pixels: Mapping[str, npt.NDArray[np.int16]]
    progress: Progress

    def warm_up(self) -> None:
        """The first study of each kind loads its model; nothing of it counts."""
        for modality in self.shapes:
            self.progress(f"{modality}: first study")
            with self._written(modality, f"{modality} first") as documents:
                finish(storescu(documents, self.stage.port, NODE_AE_TITLE))
                self._wait(study_uid_of(f"{modality} first"))

    def turns(self, modality: str, repeats: int) -> Turns:
        found = Turns(modality, self.shapes[modality].images)
        for turn in range(repeats):
            self.progress(f"{modality}: turn {turn + 1} of {repeats}")
            steps = (self._bare, self._node, self._naive)
            # Each turn begins elsewhere, so that nobody always comes after the same one
            for step in steps[turn % 3 :] + steps[: turn % 3]:
                step(found, turn)
        return found

    def slow(self, number: int, plan: Plan) -> float:
        """Send a CT study as a scanner makes it; seconds from the last slice until Orthanc has the report."""
        self.progress(f"{plan.rate:g} slices a second: study {number + 1} of {plan.studies}")
        name = f"slow {number}"
        with self._written(CT, name) as documents:
            _send_slowly(documents, self.stage.port, plan.rate)
            last = time.time()
            return _answered_at(self._wait(study_uid_of(name))) - last

    def at_once(self, studies: int) -> AtOnce:
        names = [f"at once {number}" for number in range(studies)]
        self.progress(f"{studies} studies at once: bare model")
        bare = sum(self.stage.rivals.bare_seconds(CT) for _ in names)
        folders = [self.stage.folder / name.replace(" ", "-") for name in names]
        sent = [
            write_study(self.shapes[CT], self.pixels[CT], name, at) for name, at in zip(names, folders, strict=True)
        ]
        os.sync()
        self.progress(f"{studies} studies at once")
        started = time.time()
        for sender in [storescu(documents, self.stage.port, NODE_AE_TITLE) for documents in sent]:
            finish(sender)
        ended = max(_answered_at(self._wait(study_uid_of(name))) for name in names)
        for folder in folders:
            shutil.rmtree(folder)
        return AtOnce(studies, ended - started, bare)

    def _bare(self, found: Turns, _turn: int) -> None:
        found.bare.append(self.stage.rivals.bare_seconds(found.modality))

    def _node(self, found: Turns, turn: int) -> None:
        name = f"{found.modality} node {turn}"
        with self._written(found.modality, name) as documents:
            started = time.time()
            finish(storescu(documents, self.stage.port, NODE_AE_TITLE))
            last = time.time()
            deliveries = self._wait(study_uid_of(name))
        answered = _answered_at(deliveries)
        found.node.append(answered - started)
        found.after_last.append(answered - last)
        found.everything.append(max(map(_sent_at, deliveries)) - started)

    def _naive(self, found: Turns, turn: int) -> None:
        name = f"{found.modality} naive {turn}"
        with self._written(found.modality, name) as documents:
            started = time.time()
            finish(storescu(documents, self.stage.rivals.port, "NAIVE"))
            found.naive.append(self.stage.rivals.answered_at(study_uid_of(name)) - started)

    @contextmanager
    def _written(self, modality: str, name: str) -> Iterator[tuple[Document, ...]]:
        folder = self.stage.folder / name.replace(" ", "-")
        documents = write_study(self.shapes[modality], self.pixels[modality], name, folder)
        os.sync()  # writing them must not be measured
        try:
            yield documents
        finally:
            shutil.rmtree(folder)

    def _wait(self, study_instance_uid: str) -> list[Delivery]:
        """The deliveries of a study, once each has arrived.

        Raises:
            DicomNodeError: A model failed, Orthanc refused something, or time ran out.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            deliveries = self.stage.archive.deliveries.list(study_instance_uid)
            jobs = self.stage.archive.jobs.list(study_instance_uid)
            _check_jobs(jobs)
            if deliveries and all(delivery.state not in _WAITING for delivery in deliveries):
                return _checked(deliveries)
            time.sleep(_LOOK_SECONDS)
        trace = self.stage.archive.traces.list(study_instance_uid)
        raise DicomNodeError(f"no answer in time; the trace ends with: {trace[-1].text if trace else 'nothing'}")


def _check_jobs(jobs: list[Job]) -> None:
    for job in jobs:
        outcome = json.loads(job.result_json or "{}").get("outcome", Outcome.FINDINGS)
        if job.state is JobState.FAILED or outcome not in (Outcome.FINDINGS, Outcome.NO_FINDINGS):
            raise DicomNodeError(f"{job.model_name} {job.state}, {outcome}: {job.error or job.result_json}")


def _checked(deliveries: list[Delivery]) -> list[Delivery]:
    for delivery in deliveries:
        if delivery.state is not DeliveryState.DELIVERED:
            raise DicomNodeError(f"Orthanc did not take the {delivery.role} document: {delivery.status}")
    return deliveries


def _answered_at(deliveries: list[Delivery]) -> float:
    """When the report with the study's answer was acknowledged, seconds since the epoch."""
    return next(_sent_at(delivery) for delivery in deliveries if delivery.role == _ANSWER)


def _sent_at(delivery: Delivery) -> float:
    if delivery.sent_at is None:
        raise DicomNodeError(f"delivery {delivery.delivery_id} has no time")
    return delivery.sent_at.timestamp()


def _send_slowly(documents: tuple[Document, ...], port: int, rate: float) -> None:
    """Send at an even rate over one association, as a scanner reconstructs."""
    peer = DimsePeer("127.0.0.1", port, NODE_AE_TITLE, SENDER_AE_TITLE, _PATIENCE_SECONDS)
    started = time.monotonic()
    for number, (_, outcome) in enumerate(CStoreSender(peer).send(documents), start=1):
        if not outcome.arrived:
            raise DicomNodeError(f"the node did not take a slice: {outcome.status}")
        if number < len(documents):
            time.sleep(max(0.0, started + number / rate - time.monotonic()))


def percentile(values: tuple[float, ...], percent: float) -> float:
    """By linear interpolation."""
    return float(np.percentile(values, percent))


def median(values: list[float]) -> float:
    """Of at least one."""
    return statistics.median(values)
