"""Another attempt for what failed: one job, or all of a study that did not end well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.records import JobState


@dataclass(frozen=True, slots=True)
class Retried:
    """What is tried again.

    Attributes:
        jobs: How many failed jobs.
        deliveries: How many deliveries.
        is_released: Whether the study was in quarantine, and is not any more.
    """

    jobs: int
    deliveries: int
    is_released: bool


def retry_job(archive: Archive, job_id: int, now: datetime) -> Retried:
    """Let a failed job start anew; its study is released from quarantine.

    Raises:
        NotFoundError: No such job.
        ArchiveError: It is running, done or superseded.
    """
    archive.jobs.retry(job_id, now)
    return Retried(1, 0, archive.quarantine.release(archive.jobs.get(job_id).study_instance_uid, now))


def retry_study(archive: Archive, study_instance_uid: str, now: datetime) -> Retried:
    """Let the failed jobs of a study's newest generation start anew, and its deliveries that did not arrive.

    Raises:
        NotFoundError: No such study.
    """
    archive.studies.record(study_instance_uid)
    jobs = archive.jobs.list(study_instance_uid)
    newest = max((job.generation for job in jobs), default=0)
    repeated = [job for job in jobs if job.state is JobState.FAILED and job.generation == newest]
    for job in repeated:
        archive.jobs.retry(job.job_id, now)
    released = archive.quarantine.release(study_instance_uid, now)
    return Retried(len(repeated), archive.deliveries.retry(now, study_instance_uid=study_instance_uid), released)
