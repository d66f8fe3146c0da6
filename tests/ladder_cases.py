"""A node's archive with an answered study whose documents wait for a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dicomnode.archive import Archive
from dicomnode.archive.records import JobKind, NewJob
from dicomnode.delivery.outbox import Outbox, make_courier, make_sender
from dicomnode.dicom.header import read_header
from dicomnode.findings import Result
from dicomnode.jobs.publishing import write_answer
from dicomnode.settings import TargetSettings
from tests.archives import at, complete, put
from tests.evidence_cases import positive


def now() -> datetime:
    return datetime.now(UTC)


def target(port: int, **changes: object) -> TargetSettings:
    """A target by C-STORE on this machine."""
    settings = {"name": "pacs", "host": "127.0.0.1", "port": port, "ae_title": "PACS", "timeout_seconds": 5.0}
    return TargetSettings.model_validate(settings | changes)


def answered(archive: Archive, paths: Sequence[Path], make: Callable[[Sequence[Path]], Result] = positive) -> str:
    """Put a study into an archive and end a job on it, its documents queued for ``pacs``; gives the study's UID."""
    for path in paths:
        put(archive, path.read_bytes())
    study = read_header(paths[0]).study_instance_uid
    generation = complete(archive, study)
    result = make(paths)
    job = NewJob(result.model.name, "d" * 64, JobKind.INFER, "", ("1.2.3",), ("pacs",), False)
    archive.jobs.add_all(study, generation, [job], [], at(0))
    leased = archive.jobs.lease("worker", at(0), 60)
    answer = write_answer(archive, archive.studies.get(study), result, "{}", "DICOMNODE")
    assert [item.reason for item in answer.evidence if item.reason] == []
    assert archive.jobs.finish(leased.job_id, "worker", answer.evidence, "{}", at(0))
    return study


def outbox_for(archive: Archive, settings: TargetSettings) -> Outbox:
    """The outbox of a target, as the node builds it."""
    sender = make_sender(settings, "DICOMNODE", now)
    courier = make_courier(archive, settings, "DICOMNODE", now)
    return Outbox(archive, settings, sender, courier, "me", now, lambda: 0.0)
