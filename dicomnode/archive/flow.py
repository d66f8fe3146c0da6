"""How much goes through the node, and what of it waits: figures of the overview."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import ASIDE, DeliveryState, JobState, Kind, StudyState

HOUR = timedelta(hours=1)
_STUDIES, _JOBS, _CONTENTS = tables.studies.c, tables.jobs.c, tables.contents.c
_DELIVERIES = tables.deliveries.c


@dataclass(frozen=True, slots=True)
class Hour:
    """What went through in an hour.

    Attributes:
        start: Full hour, UTC.
        studies: Whose last image came then.
        images: Images of these.
        answers: Jobs that ended then, well or badly.
    """

    start: datetime
    studies: int
    images: int
    answers: int


@dataclass(frozen=True, slots=True)
class Running:
    """A job that a worker has."""

    job_id: int
    study_instance_uid: str
    model_name: str
    started_at: datetime | None
    attempts: int


class FlowStore:
    """Asks several tables for what moves; each query follows an index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hours(self, now: datetime, count: int = 24) -> list[Hour]:
        """The last hours, the present one last."""
        last = now.replace(minute=0, second=0, microsecond=0)
        starts = [last - HOUR * back for back in reversed(range(count))]
        with self._database.read() as connection:
            arrived, ended = _arrived(connection, starts[0]), _ended(connection, starts[0])
        sums = {start: [0, 0, 0] for start in starts}
        for at, images in arrived:
            _add(sums, at, (1, images, 0))
        for at in ended:
            _add(sums, at, (0, 0, 1))
        return [Hour(start, *sums[start]) for start in starts]

    def running(self, limit: int = 20) -> list[Running]:
        """Jobs that workers have, the oldest first."""
        columns = (_JOBS.job_id, _JOBS.study_instance_uid, _JOBS.model_name, _JOBS.started_at, _JOBS.attempts)
        query = select(*columns).where(_JOBS.state == JobState.LEASED).order_by(_JOBS.job_id).limit(limit)
        with self._database.read() as connection:
            return [Running(*row) for row in connection.execute(query)]

    def waiting_since(self) -> datetime | None:
        """When the job that waits longest was made, replays aside; None if none waits."""
        query = select(func.min(_JOBS.created_at)).where(_JOBS.state == JobState.WAITING, _JOBS.priority >= 0)
        with self._database.read() as connection:
            since: datetime | None = connection.execute(query).scalar_one()
        return since

    def undelivered_since(self) -> datetime | None:
        """When the delivery that waits longest changed last; None if none waits."""
        targets = select(_DELIVERIES.target).distinct()
        with self._database.read() as connection:
            found = [
                connection.execute(
                    select(func.min(_DELIVERIES.updated_at)).where(
                        _DELIVERIES.target == target, _DELIVERIES.state == DeliveryState.WAITING
                    )
                ).scalar_one()
                for target in connection.execute(targets).scalars().all()
            ]
        return min((at for at in found if at is not None), default=None)

    def arriving(self) -> tuple[int, int]:
        """How many studies are open, and how many images of theirs are here."""
        is_open = _STUDIES.state == StudyState.OPEN
        images = (
            select(func.coalesce(func.sum(_CONTENTS.held), 0))
            .select_from(
                tables.studies.join(tables.contents, _CONTENTS.study_instance_uid == _STUDIES.study_instance_uid)
            )
            .where(is_open, _CONTENTS.kind == Kind.SOURCE)
        )
        with self._database.read() as connection:
            studies = connection.execute(select(func.count()).select_from(tables.studies).where(is_open)).scalar_one()
            return studies, int(connection.execute(images).scalar_one())


def _arrived(connection: Connection, since: datetime) -> list[tuple[datetime, int]]:
    held = (
        select(func.coalesce(func.sum(_CONTENTS.held), 0))
        .where(
            _CONTENTS.study_instance_uid == _STUDIES.study_instance_uid,
            _CONTENTS.kind.not_in((*ASIDE, Kind.OWN)),
        )
        .scalar_subquery()
    )
    query = select(_STUDIES.last_arrival, held).where(_STUDIES.last_arrival >= since)
    return [(at, int(images)) for at, images in connection.execute(query)]


def _ended(connection: Connection, since: datetime) -> list[datetime]:
    return list(connection.execute(select(_JOBS.finished_at).where(_JOBS.finished_at >= since)).scalars())


def _add(sums: dict[datetime, list[int]], at: datetime, amounts: tuple[int, int, int]) -> None:
    counts = sums.get(at.replace(minute=0, second=0, microsecond=0))
    if counts is not None:
        counts[:] = [count + amount for count, amount in zip(counts, amounts, strict=True)]
