"""Evidence on its way to target ``pacs``, for tests of what follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, JobKind, NewEvidence, NewJob, ProofState
from dicomnode.jobs.publishing import write_answer
from tests.archives import SR, at, complete, make_file, put
from tests.evidence_cases import positive
from tests.factories import make_series

STUDY, OBJECT = "1.2.1", "1.2.1.8"


class Clock:
    """A clock that a test sets, in seconds from `tests.archives.NOW`."""

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds

    def __call__(self) -> datetime:
        return at(self.seconds)


def queue(archive: Archive) -> None:
    """An object of study `STUDY` that waits to be sent."""
    put(archive, make_file(f"{STUDY}.1", STUDY))
    generation = complete(archive, STUDY)
    job = NewJob("brain", "d" * 64, JobKind.INFER, "", (f"{STUDY}.9",), ("pacs",), False)
    archive.jobs.add_all(STUDY, generation, [job], [], at(0))
    leased = archive.jobs.lease("worker", at(0), 60)
    assert leased is not None
    path = archive.evidence.write_file(
        make_file(OBJECT, STUDY, SOPClassUID=SR, SeriesInstanceUID=f"{STUDY}.88"), OBJECT
    )
    made = NewEvidence(OBJECT, SR, f"{STUDY}.88", STUDY, "brain", "answer", path, 1)
    assert archive.jobs.finish(leased.job_id, "worker", [made], "{}", at(0))


def send(archive: Archive, now: datetime) -> int:
    """Have it sent with success; returns its number."""
    [due] = archive.deliveries.due("pacs", now, 9)
    archive.deliveries.lease(due.delivery_id, "me", at(1e6), now)
    sent = (DeliveryState.DELIVERED, "0x0000 success", now, now)
    assert archive.deliveries.mark(due.delivery_id, "me", *sent, prove=True)
    return due.delivery_id


def stands(archive: Archive) -> tuple[DeliveryState, ProofState]:
    """How it stands."""
    [delivery] = archive.deliveries.list()
    return delivery.state, delivery.proof


def queue_answer(archive: Archive, folder: Path, **attributes: object) -> list[NewEvidence]:
    """Documents of a positive answer to a real study, waiting to be sent; they are given back."""
    paths = make_series(folder, 2, **attributes)
    return queue_answer_to(archive, paths)


def queue_answer_to(archive: Archive, paths: Sequence[Path]) -> list[NewEvidence]:
    """The same, for files."""
    for path in paths:
        put(archive, path.read_bytes())
    result = positive(paths)
    study = archive.studies.get(result.study_instance_uid)
    generation = complete(archive, study.study_instance_uid)
    series = (study.series[0].series_instance_uid,)
    job = NewJob(result.model.name, "d" * 64, JobKind.INFER, "", series, ("pacs",), False)
    archive.jobs.add_all(study.study_instance_uid, generation, [job], [], at(0))
    leased = archive.jobs.lease("worker", at(0), 60)
    assert leased is not None
    answer = write_answer(archive, study, result, "{}", "DICOMNODE")
    assert archive.jobs.finish(leased.job_id, "worker", answer.evidence, "{}", at(0))
    assert [new.reason for new in answer.evidence if new.reason] == []
    return list(answer.evidence)
