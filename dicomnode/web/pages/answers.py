"""Which of a study's jobs answer for it now."""

from __future__ import annotations

from collections.abc import Iterable

from dicomnode.archive.records import Job


def current_jobs(jobs: Iterable[Job]) -> list[Job]:
    """The last job of each model; earlier ones answered for a study that has changed since."""
    return list({job.model_name: job for job in jobs}.values())
