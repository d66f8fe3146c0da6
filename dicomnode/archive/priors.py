"""Earlier studies of a patient that a model looks at beside the new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import JobKind, JobState, TraceEntry
from dicomnode.archive.traces import add_trace

_ROWS, _JOBS = tables.priors.c, tables.jobs.c
_SEARCH = ""  # in place of a UID: the search for priors itself


class PriorState(StrEnum):
    """What an earlier study is to a later one."""

    AWAITED = "awaited"  # the search is not over; the job waits
    TRIED = "tried"  # was asked for, and is not given to the model
    HERE = "here"  # is given to the model


@dataclass(frozen=True, slots=True)
class Awaited:
    """A job that waits for earlier studies.

    Attributes:
        job_id: The job.
        study_instance_uid: Its study.
        model_name: Its model.
        generation: Of the study.
        since: When it began to wait.
    """

    job_id: int
    study_instance_uid: str
    model_name: str
    generation: int
    since: datetime


class PriorStore:
    """Which earlier studies belong to which job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def awaited(self) -> list[Awaited]:
        """Jobs that wait for earlier studies, in the order in which they were made."""
        query = select(tables.jobs).where(_JOBS.state == JobState.WAITING, awaits_priors()).order_by(_JOBS.job_id)
        with self._database.read() as connection:
            found = connection.execute(query).all()
        return [
            Awaited(row.job_id, row.study_instance_uid, row.model_name, row.generation, row.next_attempt_at)
            for row in found
        ]

    def try_one(self, awaited: Awaited, prior_study_instance_uid: str) -> None:
        """Note, before anything of it arrives, that a study is fetched as a prior."""
        with self._database.write() as connection:
            _put(connection, awaited, prior_study_instance_uid, PriorState.TRIED)

    def settle(
        self, awaited: Awaited, priors: Sequence[str], lines: Sequence[str], refusal: str, now: datetime
    ) -> None:
        """End the waiting of a job.

        Args:
            awaited: The job.
            priors: Studies that its model is given, newest first.
            lines: For the trace.
            refusal: If not empty, the job becomes a refusal for this reason.
            now: Present time.
        """
        key = _key(awaited.study_instance_uid, awaited.model_name)
        with self._database.write() as connection:
            connection.execute(update(tables.priors).where(key).values(state=PriorState.TRIED))
            for uid in priors:
                _put(connection, awaited, uid, PriorState.HERE)
            if refusal:
                job = and_(_JOBS.job_id == awaited.job_id, _JOBS.state == JobState.WAITING)
                refused = {"kind": JobKind.REFUSED, "reason": refusal}
                connection.execute(update(tables.jobs).where(job).values(refused))
            for line in lines:
                entry = (awaited.study_instance_uid, awaited.generation, "priors", awaited.model_name, line, now)
                add_trace(connection, TraceEntry(*entry))

    def of(self, study_instance_uid: str, model_name: str) -> tuple[str, ...]:
        """Studies that a model is given beside this one, newest first."""
        studies = tables.studies.c
        query = (
            select(_ROWS.prior_study_instance_uid)
            .join_from(tables.priors, tables.studies, _ROWS.prior_study_instance_uid == studies.study_instance_uid)
            .where(_key(study_instance_uid, model_name), _ROWS.state == PriorState.HERE)
            .order_by(studies.study_date.desc(), studies.study_time.desc(), studies.study_instance_uid)
        )
        with self._database.read() as connection:
            return tuple(connection.execute(query).scalars())

    def came_as_prior(self, study_instance_uid: str, moved_by: Sequence[str]) -> bool:
        """Whether a study is here only because it was fetched as a prior.

        Args:
            study_instance_uid: The study.
            moved_by: AE titles of archives that send what the node fetches from them.
        """
        origins = tables.study_origins.c
        other = exists().where(
            origins.study_instance_uid == study_instance_uid,
            origins.way != "prior",
            origins.calling_ae_title.not_in(moved_by),
        )
        asked_for = exists().where(_ROWS.prior_study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            return bool(connection.execute(select(and_(asked_for, ~other))).scalar_one())


def awaits_priors() -> ColumnElement[bool]:
    """Whether a job (a row of the query around it) waits for earlier studies."""
    return exists().where(
        _ROWS.study_instance_uid == _JOBS.study_instance_uid,
        _ROWS.model_name == _JOBS.model_name,
        _ROWS.state == PriorState.AWAITED,
    )


def await_priors(connection: Connection, study_instance_uid: str, model_name: str) -> None:
    """Have the job that a transaction makes wait until `PriorStore.settle`."""
    search = Awaited(0, study_instance_uid, model_name, 0, datetime.min)
    _put(connection, search, _SEARCH, PriorState.AWAITED)


def _key(study_instance_uid: str, model_name: str) -> ColumnElement[bool]:
    return and_(_ROWS.study_instance_uid == study_instance_uid, _ROWS.model_name == model_name)


def _put(connection: Connection, awaited: Awaited, prior: str, state: PriorState) -> None:
    key = and_(_key(awaited.study_instance_uid, awaited.model_name), _ROWS.prior_study_instance_uid == prior)
    if connection.execute(update(tables.priors).where(key).values(state=state)).rowcount == 0:
        values = {
            "study_instance_uid": awaited.study_instance_uid,
            "model_name": awaited.model_name,
            "prior_study_instance_uid": prior,
            "state": state,
            "status": "",
        }
        connection.execute(insert(tables.priors).values(values))
