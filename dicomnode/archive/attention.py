"""What does not move or went wrong, counted by queries that stay quick on a large index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.priors import awaits_priors
from dicomnode.archive.records import DeliveryState, EvidenceState, JobState, StudyState

_STUDIES, _JOBS, _DELIVERIES = tables.studies.c, tables.jobs.c, tables.deliveries.c
_TROUBLED = (DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.REFUSED, DeliveryState.HELD)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that have something in common.

    Attributes:
        name: What they share: a model or a target.
        count: How many there are.
        since: The earliest time that is of interest, None where there is none.
        detail: What was said last of one of them.
    """

    name: str
    count: int
    since: datetime | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A study or a job that nobody moves.

    Attributes:
        study_instance_uid: (0020,000D).
        since: When it should have moved.
        job_id: None for a study.
        model_name: Of the job.
    """

    study_instance_uid: str
    since: datetime
    job_id: int | None = None
    model_name: str = ""


class AttentionStore:
    """Asks several tables for what an administrator should look at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def failed_jobs(self, after: datetime) -> list[Group]:
        """Jobs that failed after a moment, by model."""
        query = (
            select(_JOBS.model_name, func.count(), func.min(_JOBS.finished_at), func.max(_JOBS.error))
            .where(_JOBS.state == JobState.FAILED, _JOBS.finished_at > after)
            .group_by(_JOBS.model_name)
            .order_by(_JOBS.model_name)
        )
        with self._database.read() as connection:
            return [Group(*row) for row in connection.execute(query)]

    def troubled_deliveries(self) -> dict[DeliveryState, list[Group]]:
        """Deliveries that are refused, held, or wait after an attempt, by state and target."""
        # The first query reads an index alone, and leaves little to the second one
        groups = select(_DELIVERIES.state, _DELIVERIES.target).group_by(_DELIVERIES.target, _DELIVERIES.state)
        found: dict[DeliveryState, list[Group]] = {}
        with self._database.read() as connection:
            for state, target in connection.execute(groups).all():
                group = _trouble(connection, state, target) if state in _TROUBLED else None
                if group is not None:
                    found.setdefault(DeliveryState(state), []).append(group)
        return found

    def stuck_studies(self, opened_before: datetime, completed_before: datetime, limit: int) -> list[Stuck]:
        """Studies that are open since before a moment, or complete since before one and not routed."""
        is_open = and_(_STUDIES.state == StudyState.OPEN, _STUDIES.first_arrival < opened_before)
        unrouted = and_(
            _STUDIES.state == StudyState.COMPLETE,
            _STUDIES.generation > _STUDIES.routed_generation,
            _STUDIES.completed_at < completed_before,
        )
        query = select(_STUDIES.study_instance_uid, _STUDIES.state, _STUDIES.first_arrival, _STUDIES.completed_at)
        with self._database.read() as connection:
            rows = connection.execute(query.where(or_(is_open, unrouted)).limit(limit)).all()
        opened = StudyState.OPEN
        return [
            Stuck(row.study_instance_uid, row.first_arrival if row.state == opened else row.completed_at)
            for row in rows
        ]

    def stuck_jobs(self, before: datetime, limit: int) -> list[Stuck]:
        """Jobs that may be begun since before a moment, and that no worker takes."""
        due = and_(_JOBS.state == JobState.WAITING, _JOBS.next_attempt_at < before, _JOBS.priority >= 0)
        query = select(_JOBS.study_instance_uid, _JOBS.next_attempt_at, _JOBS.job_id, _JOBS.model_name)
        query = query.where(due, ~awaits_priors()).order_by(_JOBS.next_attempt_at).limit(limit)
        with self._database.read() as connection:
            return [Stuck(*row) for row in connection.execute(query)]

    def set_aside(self) -> tuple[int, int, int]:
        """How many studies are quarantined, how many are of doubtful identity, how many objects the gate kept back."""
        quarantined = select(func.count()).select_from(tables.studies).where(_STUDIES.quarantined.is_not(None))
        doubtful = select(func.count()).select_from(tables.studies).where(_STUDIES.identity_conflict.is_not(None))
        objects = tables.evidence
        kept = select(func.count()).select_from(objects).where(objects.c.state == EvidenceState.QUARANTINED)
        with self._database.read() as connection:
            first, second, third = (connection.execute(query).scalar_one() for query in (quarantined, doubtful, kept))
        return first, second, third


def _trouble(connection: Connection, state: str, target: str) -> Group | None:
    query = select(func.count(), func.min(_DELIVERIES.updated_at), func.max(_DELIVERIES.status)).where(
        _DELIVERIES.target == target, _DELIVERIES.state == state, _DELIVERIES.status != ""
    )
    count, since, detail = connection.execute(query).one()
    return Group(target, count, since, detail) if count else None
