"""How fast objects leave: the node's outbox with one and several associations, beside storescu, to the same Orthanc."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from pydicom.uid import SecondaryCaptureImageStorage

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, JobKind, NewEvidence, NewJob, Origin, Way
from dicomnode.benchmarks.stage import finish, storescu
from dicomnode.benchmarks.studies import CT, Shape, pixels_of, write_study
from dicomnode.delivery.document import Document
from dicomnode.delivery.outbox import Outbox, make_courier, make_sender
from dicomnode.demo.orthanc import OrthancProcess
from dicomnode.dicom.header import read_header
from dicomnode.errors import DicomNodeError
from dicomnode.settings import Settings, TargetSettings

SEVERAL = 4
_MODEL, _OWNER, _TARGET = "benchmark", "bench", "orthanc"
_LEASE_SECONDS = 3600.0
_PATIENCE_SECONDS = 600.0  # as storescu has: a machine that does much else may stall for a while


@dataclass(frozen=True, slots=True)
class Sent:
    """How long one way of sending took.

    Attributes:
        name: Of the sender.
        instances: Sent each time.
        seconds: Of each repetition.
    """

    name: str
    instances: int
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Instances a second, median."""
        return self.instances / statistics.median(self.seconds)


def measure_sending(
    folder: Path, instances: int, rows: int, repeats: int, progress: Callable[[str], None]
) -> list[Sent]:
    """Send new CT slices from disk by each way in turn; the first round, which opens and learns, does not count.

    Args:
        folder: On the disk that is measured.
        instances: Slices that are sent each time, a multiple of `SEVERAL`.
        rows: And columns of a slice.
        repeats: Rounds.
        progress: Told what is done.
    """
    # Of a class that results have, since the outbox asks only for these whether a target takes them
    shape = Shape(CT, instances // SEVERAL, rows, rows, SecondaryCaptureImageStorage)
    pixels = pixels_of(shape)
    with (
        OrthancProcess(folder / "orthanc", dicom=True) as orthanc,
        Archive.open(Settings.model_validate({"node": {"data_dir": folder / "node"}})) as archive,
    ):
        port = orthanc.dicom_port or 0
        nodes = {connections: _Node(archive, _target(port, connections)) for connections in (1, SEVERAL)}
        ways: dict[str, Callable[[list[tuple[Document, ...]]], float]] = {
            "storescu": lambda studies: _by_storescu(studies, port, at_once=1),
            f"{SEVERAL} storescu": lambda studies: _by_storescu(studies, port, at_once=SEVERAL),
            **{f"node, {connections} connections": node.send for connections, node in nodes.items()},
        }
        found = {name: Sent(name, instances) for name in ways}
        for turn in range(repeats + 1):
            for name in list(ways) if turn % 2 else reversed(ways):
                progress(f"round {turn} of {repeats}: {name}")
                place = folder / "study"
                names = [f"{name} {turn} {part}" for part in range(SEVERAL)]
                studies = [write_study(shape, pixels, one, place / str(part)) for part, one in enumerate(names)]
                os.sync()
                seconds = ways[name](studies)
                if turn:
                    found[name].seconds.append(seconds)
                shutil.rmtree(place)
        held, expected = orthanc.instances, instances * len(ways) * (repeats + 1)
    if held != expected:
        raise DicomNodeError(f"Orthanc holds {held} instances, {expected} were sent")
    return list(found.values())


def _by_storescu(studies: Sequence[tuple[Document, ...]], port: int, at_once: int) -> float:
    started = time.perf_counter()
    for start in range(0, len(studies), at_once):
        for sender in [storescu(documents, port, "ORTHANC") for documents in studies[start : start + at_once]]:
            finish(sender)
    return time.perf_counter() - started


def _target(port: int, connections: int) -> TargetSettings:
    address = {"name": f"{_TARGET}{connections}", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": port}
    ways = {"connections": connections, "proof": "none", "timeout_seconds": _PATIENCE_SECONDS}
    return TargetSettings.model_validate({**address, **ways})


class _Node:
    """The outbox of a target, with all that it writes."""

    def __init__(self, archive: Archive, target: TargetSettings) -> None:
        self._archive = archive
        self._target = target
        self._sender, courier = make_sender(target, "BENCH", _now), make_courier(archive, target, "BENCH", _now)
        owner = archive.deliveries.claim_name()
        self._outbox = Outbox(archive, target, self._sender, courier, owner, _now, lambda: 0.5)

    def send(self, studies: Sequence[tuple[Document, ...]]) -> float:
        """Queue the slices as results of jobs, and send them; seconds that the latter took."""
        for documents in studies:
            self._queue(documents)
        os.sync()
        started = time.perf_counter()
        while self._outbox.send_due():
            pass
        seconds = time.perf_counter() - started
        self._sender.close()  # Orthanc has four threads for associations, and who comes next needs them
        self._check()
        return seconds

    def _queue(self, documents: Sequence[Document]) -> None:
        first = read_header(BytesIO(documents[0].path.read_bytes()))
        study = first.study_instance_uid
        with self._archive.instances.new_file() as staged:
            staged.write(documents[0].path.read_bytes())
            self._archive.instances.commit(staged, first, Origin(Way.STOW), _now())
        (waiting,) = (item for item in self._archive.studies.open_studies() if item.study_instance_uid == study)
        generation = self._archive.studies.complete(study, "benchmark", waiting.arrivals, _now())
        job = NewJob(_MODEL, "0" * 64, JobKind.INFER, "", (first.series_instance_uid,), (self._target.name,), False)
        if generation is None:
            raise DicomNodeError(f"study {study} cannot be completed")
        self._archive.jobs.add_all(study, generation, [job], [], _now())
        leased = self._archive.jobs.lease(_OWNER, _now(), _LEASE_SECONDS)
        if leased is None:
            raise DicomNodeError(f"the job of study {study} cannot be leased")
        made = [self._evidence(study, number, document) for number, document in enumerate(documents)]
        self._archive.jobs.finish(leased.job_id, _OWNER, made, "{}", _now())

    def _evidence(self, study: str, number: int, document: Document) -> NewEvidence:
        path = self._archive.evidence.write_file(document.path.read_bytes(), document.sop_instance_uid)
        # Each in a series of its own: within one, the next would wait for the one before
        uids = (document.sop_instance_uid, document.sop_class_uid, f"{study}.{number}", study)
        return NewEvidence(*uids, _MODEL, f"benchmark-{number}", path, 1)

    def _check(self) -> None:
        for delivery in self._archive.deliveries.list(target=self._target.name):
            if delivery.state is not DeliveryState.DELIVERED:
                raise DicomNodeError(f"Orthanc did not take {delivery.sop_instance_uid}: {delivery.status}")


def _now() -> datetime:
    return datetime.now(UTC)
