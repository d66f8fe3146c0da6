"""Which job a worker takes next, and what becomes of those whose worker died."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Select, and_, or_, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import IndexRow
from dicomnode.archive.job_rows import trace_job
from dicomnode.archive.priors import awaits_priors
from dicomnode.archive.records import JobState, Turn

_JOBS = tables.jobs.c


def due_query(turn: Turn, now: datetime, dead: Sequence[str]) -> Select[tuple[object, ...]]:
    """The job that is to be taken, of those that wait and those whose worker fell silent.

    Args:
        turn: Which of them.
        now: Present time.
        dead: Workers that hold leases and are known to be dead.
    """
    due = or_(
        and_(_JOBS.state == JobState.WAITING, _JOBS.next_attempt_at <= now),
        and_(_JOBS.state == JobState.LEASED, or_(_JOBS.lease_until < now, _JOBS.lease_owner.in_(dead))),
    )
    query = select(tables.jobs).where(due, ~awaits_priors()).limit(1)
    if turn is Turn.URGENT_ONLY:
        query = query.where(_JOBS.priority > 0)
    priority = (_JOBS.priority >= 0).desc() if turn is Turn.OLDEST_FIRST else _JOBS.priority.desc()
    return query.order_by(priority, _JOBS.attempts, _JOBS.next_attempt_at, _JOBS.job_id)


def died_alone(connection: Connection, row: IndexRow, now: datetime) -> bool:
    """Whether a job was the only one of its silent worker; if not, all of that worker's jobs wait again, uncounted."""
    same_worker = and_(_JOBS.state == JobState.LEASED, _JOBS.lease_owner == row.lease_owner)
    found = connection.execute(select(_JOBS.job_id, _JOBS.attempts).where(same_worker)).all()
    if len(found) == 1:
        return True
    for one in found:
        error = f"its worker died, or did not answer any more, with {len(found)} jobs; next it runs alone"
        values = {"state": JobState.WAITING, "attempts": one.attempts - 1, "next_attempt_at": now, "error": error}
        freed = update(tables.jobs).where(_JOBS.job_id == one.job_id)
        connection.execute(freed.values(**values, lease_owner=None, lease_until=None))
        trace_job(connection, one.job_id, "attempt failed", error, now)
    return False
