"""How long things took: histograms that only grow, written in the transactions that end those things.

Rows of jobs and deliveries go when their study is forgotten; these stay, so that what is made of them never falls.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.records import StudyState

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)
"""Upper bounds of the buckets in seconds, those included; one more bucket takes what is above."""

_JOBS, _STUDIES = tables.jobs.c, tables.studies.c
_ROWS = tables.figures.c


class Figure(StrEnum):
    """What is measured, in seconds."""

    QUEUE = "queue"  # by model: from routing to the first attempt
    RUN = "run"  # by model and outcome: the last attempt
    ANSWER = "answer"  # by model: from the last image to the answer
    PROOF = "proof"  # by target: from the last image to the proof that the target has the answer


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often something took how long.

    Attributes:
        labels: What it was about, in the order that `Figure` names.
        counts: By bucket: one for each of `BOUNDS`, and one for what is above.
        seconds: All together.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    seconds: float


class FigureStore:
    """Reads the histograms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, figure: Figure) -> list[Histogram]:
        """The histograms of one figure, by their labels."""
        query = select(tables.figures).where(_ROWS.name == figure).order_by(_ROWS.labels, _ROWS.bucket)
        found: dict[str, list[int]] = {}
        milliseconds: dict[str, int] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.labels, [0] * (len(BOUNDS) + 1))[row.bucket] = row.times
                milliseconds[row.labels] = milliseconds.get(row.labels, 0) + row.milliseconds
        return [
            Histogram(tuple(json.loads(labels)), tuple(counts), milliseconds[labels] / 1000)
            for labels, counts in found.items()
        ]


def observe(connection: Connection, figure: Figure, labels: tuple[str, ...], seconds: float) -> None:
    """Count a duration in a transaction that does more; below 0, after a clock was put back, it counts as 0."""
    taken = max(0.0, seconds)
    key = {"name": str(figure), "labels": json.dumps(labels), "bucket": bisect_left(BOUNDS, taken)}
    milliseconds = round(taken * 1000)
    more = {"times": _ROWS.times + 1, "milliseconds": _ROWS.milliseconds + milliseconds}
    if connection.execute(update(tables.figures).filter_by(**key).values(more)).rowcount == 0:
        connection.execute(insert(tables.figures).values(**key, times=1, milliseconds=milliseconds))


def observe_begin(connection: Connection, job: IndexRow, now: datetime) -> None:
    """Count how long a job waited that a worker takes for the first time."""
    if job.attempts == 0 and job.created_at is not None and job.priority >= 0:
        observe(connection, Figure.QUEUE, (job.model_name,), (now - job.created_at).total_seconds())


def observe_end(connection: Connection, job_id: int, outcome: str, now: datetime) -> None:
    """Count how long a job took that ends, and how long its study waited for the answer."""
    job = connection.execute(select(tables.jobs).where(_JOBS.job_id == job_id)).one()
    if job.started_at is not None:
        observe(connection, Figure.RUN, (job.model_name, outcome), (now - job.started_at).total_seconds())
    last = _last_arrival(connection, job)
    if last is not None:
        observe(connection, Figure.ANSWER, (job.model_name,), (now - last).total_seconds())


def observe_proof(connection: Connection, delivery_id: int, now: datetime) -> None:
    """Count how long a study waited until it was proven that a target has an answer to it."""
    deliveries, evidence = tables.deliveries, tables.evidence
    query = (
        select(tables.jobs, deliveries.c.target)
        .join_from(deliveries, evidence, deliveries.c.sop_instance_uid == evidence.c.sop_instance_uid)
        .join(tables.jobs, _JOBS.job_id == evidence.c.job_id)
        .where(deliveries.c.delivery_id == delivery_id)
    )
    row = connection.execute(query).one()
    last = _last_arrival(connection, row)
    if last is not None:
        observe(connection, Figure.PROOF, (row.target,), (now - last).total_seconds())


def _last_arrival(connection: Connection, job: IndexRow) -> datetime | None:
    """When the last image came that a live job looks at; None for replays, and where later ones have come."""
    if job.priority < 0:
        return None
    same = _STUDIES.study_instance_uid == job.study_instance_uid, _STUDIES.generation == job.generation
    query = select(_STUDIES.last_arrival).where(*same, _STUDIES.state == StudyState.COMPLETE)
    last: datetime | None = connection.execute(query).scalar_one_or_none()
    return last
