"""What changed in the index since a moment ago, for those who look on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Select, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import JobState

_MOST = 50
"""Rows that are compared of each table; of more changes at once the rest goes unnamed."""

_Rows = Mapping[Hashable, tuple[Hashable, ...]]


class Topic(StrEnum):
    """What something changed in."""

    STUDIES = "studies"
    JOBS = "jobs"
    DELIVERIES = "deliveries"
    MODELS = "models"
    PEERS = "peers"


@dataclass(frozen=True, slots=True)
class Moment:
    """The newest rows of the index at a moment: by topic and key, what they are about and how they stood."""

    rows: Mapping[Topic, _Rows]

    def changes_since(self, before: Moment) -> dict[Topic, tuple[str, ...]]:
        """What changed after another moment: Study Instance UIDs, or names of models and peers, by topic."""
        found = {topic: _changed(rows, before.rows[topic]) for topic, rows in self.rows.items()}
        return {topic: subjects for topic, subjects in found.items() if subjects}


class ChangeStore:
    """Looks at the ends of a few tables, each by an index: cheap enough to be asked every second."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self) -> Moment:
        """How the newest rows stand."""
        with self._database.read() as connection:
            return Moment({topic: _rows(connection, *queries) for topic, queries in _queries().items()})


def _changed(rows: _Rows, before: _Rows) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(row[0]) for key, row in rows.items() if before.get(key) != row))


def _rows(connection: Connection, *queries: Select[tuple[object, ...]]) -> _Rows:
    # A row's first column names it within its query, its second one what it is about.
    return {
        (number, row[0]): tuple(row[1:])
        for number, query in enumerate(queries)
        for row in connection.execute(query.limit(_MOST))
    }


def _queries() -> dict[Topic, list[Select[tuple[object, ...]]]]:
    studies, traces, jobs = tables.studies.c, tables.traces.c, tables.jobs.c
    deliveries, evidence, models, peers = tables.deliveries.c, tables.evidence.c, tables.deployments.c, tables.echoes.c
    uid = studies.study_instance_uid
    job = select(jobs.job_id, jobs.study_instance_uid, jobs.state, jobs.attempts, jobs.next_attempt_at)
    sent = select(deliveries.delivery_id, evidence.study_instance_uid, deliveries.updated_at, deliveries.proof)
    return {
        Topic.STUDIES: [
            select(uid, uid, studies.last_arrival).order_by(studies.last_arrival.desc(), uid),
            select(traces.trace_id, traces.study_instance_uid).order_by(traces.trace_id.desc()),
        ],
        Topic.JOBS: [job.order_by(jobs.job_id.desc()), job.where(jobs.state == JobState.LEASED)],
        Topic.DELIVERIES: [sent.join_from(tables.deliveries, tables.evidence).order_by(deliveries.updated_at.desc())],
        Topic.MODELS: [select(models.model_name, models.model_name, models.digest, models.state)],
        Topic.PEERS: [select(peers.kind + peers.name, peers.name, peers.at, peers.good).order_by(peers.at.desc())],
    }
