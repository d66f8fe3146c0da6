"""Rows of jobs, and what their studies are told of them."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection, select

from dicomnode.archive import tables
from dicomnode.archive.database import IndexRow
from dicomnode.archive.records import Job, JobKind, JobState, NewJob, TraceEntry
from dicomnode.archive.traces import add_trace

_JOBS = tables.jobs.c


def trace_job(connection: Connection, job_id: int, event: str, text: str, now: datetime) -> None:
    """Add a line about a job to its study's trace, in a transaction that does more."""
    job = connection.execute(select(tables.jobs).where(_JOBS.job_id == job_id)).one()
    add_trace(connection, TraceEntry(job.study_instance_uid, job.generation, event, job.model_name, text, now))


def new_job_row(study_instance_uid: str, generation: int, job: NewJob, now: datetime) -> dict[str, object]:
    """The row of a job that waits for its first attempt."""
    return {
        "study_instance_uid": study_instance_uid,
        "generation": generation,
        "model_name": job.model_name,
        "bundle_digest": job.bundle_digest,
        "kind": job.kind,
        "reason": job.reason,
        "series_instance_uids": json.dumps(job.series_instance_uids),
        "targets": json.dumps(job.targets),
        "silent": job.silent,
        "state": JobState.WAITING,
        "attempts": 0,
        "next_attempt_at": now,
        "error": "",
        "created_at": now,
        "priority": job.priority,
    }


def job_from_row(row: IndexRow) -> Job:
    """A job."""
    return Job(
        job_id=row.job_id,
        study_instance_uid=row.study_instance_uid,
        generation=row.generation,
        model_name=row.model_name,
        bundle_digest=row.bundle_digest,
        kind=JobKind(row.kind),
        reason=row.reason,
        series_instance_uids=tuple(json.loads(row.series_instance_uids)),
        targets=tuple(json.loads(row.targets)),
        silent=row.silent,
        state=JobState(row.state),
        attempts=row.attempts,
        lease_owner=row.lease_owner,
        lease_until=row.lease_until,
        next_attempt_at=row.next_attempt_at,
        error=row.error,
        result_json=row.result_json,
        finished_at=row.finished_at,
        priority=row.priority,
    )
