"""Evidence on its way to target ``pacs``, for tests of what follows."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, JobKind, NewEvidence, NewJob, ProofState
from tests.archives import SR, at, complete, make_file, put

STUDY, OBJECT = "1.2.1", "1.2.1.8"


class Clock:
    """A clock that a test sets, in seconds from `tests.archives.NOW`."""

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds

    def __call__(self) -> datetime:
        return at(self.seconds)


class Opened:
    """A peer that is asked within a context."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


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
