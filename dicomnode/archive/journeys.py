"""A study's way through the node in times, for who follows it as a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.records import DeliveryState, JobState, Kind, ProofState, StudyState, TraceEntry

_STUDIES, _JOBS, _INSTANCES = tables.studies.c, tables.jobs.c, tables.instances.c
_EVIDENCE, _DELIVERIES, _RESULTS, _TRACES = (
    tables.evidence.c,
    tables.deliveries.c,
    tables.results.c,
    tables.traces.c,
)
_UNFINISHED = (JobState.WAITING, JobState.LEASED)
_UNDERWAY = (DeliveryState.WAITING, DeliveryState.SENDING)
_UNPROVEN = (ProofState.PENDING, ProofState.REQUESTED, ProofState.FAILED)


@dataclass(frozen=True, slots=True)
class Document:
    """An evidence object of a job.

    Attributes:
        role: Kind of document.
        state: Whether it passed the gate.
        created: When it was written.
    """

    role: str
    state: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Passage:
    """A document's way to one target.

    Attributes:
        queued: When the document was there.
        updated: Last change of state.
        sent: When the target said that it has it, None before.
        proven: When that was proven, None before.
    """

    role: str
    target: str
    state: str
    proof: str
    attempts: int
    queued: datetime
    updated: datetime
    sent: datetime | None
    proven: datetime | None


@dataclass(frozen=True, slots=True)
class Work:
    """A job with what came of it.

    Attributes:
        began_result: When the model began, after reading; None if it did not.
        events: Trace lines about its attempts, oldest first.
    """

    job_id: int
    model_name: str
    kind: str
    state: str
    outcome: str | None
    error: str
    created: datetime
    finished: datetime | None
    began_result: datetime | None
    events: tuple[TraceEntry, ...]
    documents: tuple[Document, ...]
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Journey:
    """One completion of a study, and everything that followed from it.

    Attributes:
        first_arrival: Of the images that this completion is about.
        last_arrival: Likewise.
        instances: How many those are.
        routed: When routing decided, None before.
        earlier: The completion before this one, 0 for none.
    """

    study_instance_uid: str
    generation: int
    first_arrival: datetime
    last_arrival: datetime
    instances: int
    completed: datetime
    routed: datetime | None
    earlier: int
    work: tuple[Work, ...]


class JourneyStore:
    """Finds what came to rest, and reads it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def at_rest(self, mark: datetime, before: datetime, limit: int) -> list[tuple[str, int]]:
        """Completions after a mark that nothing follows any more, or that are older than a moment, oldest first."""
        told = and_(_STUDIES.completed_at >= mark, _STUDIES.generation > _STUDIES.traced_generation)
        ready = and_(_STUDIES.state == StudyState.COMPLETE, _STUDIES.routed_generation >= _STUDIES.generation)
        resting = and_(ready, ~_works(), ~_delivers())
        query = select(_STUDIES.study_instance_uid, _STUDIES.generation)
        query = query.where(told, or_(resting, _STUDIES.completed_at < before)).order_by(_STUDIES.completed_at)
        with self._database.read() as connection:
            return [(row.study_instance_uid, row.generation) for row in connection.execute(query.limit(limit))]

    def oldest(self, mark: datetime) -> datetime | None:
        """The oldest completion after a mark that was not told of; None if there is none."""
        query = select(func.min(_STUDIES.completed_at))
        query = query.where(_STUDIES.completed_at >= mark, _STUDIES.generation > _STUDIES.traced_generation)
        with self._database.read() as connection:
            found: datetime | None = connection.execute(query).scalar()
        return found

    def told(self, study_instance_uid: str, generation: int) -> None:
        """Note that a completion was told of."""
        study = _STUDIES.study_instance_uid == study_instance_uid
        with self._database.write() as connection:
            connection.execute(
                update(tables.studies)
                .where(study, _STUDIES.traced_generation < generation)
                .values(traced_generation=generation)
            )

    def untold(self, study_instance_uid: str) -> list[int]:
        """The completions of a study that were not told of, oldest first."""
        study = _STUDIES.study_instance_uid == study_instance_uid
        with self._database.read() as connection:
            row = connection.execute(select(_STUDIES.generation, _STUDIES.traced_generation).where(study)).one()
        return list(range(row.traced_generation + 1, row.generation + 1))

    def read(self, study_instance_uid: str, generation: int) -> Journey | None:
        """One completion; None if nothing completed, as where old images were routed anew."""
        with self._database.read() as connection:
            lines = _lines(connection, study_instance_uid)
            ends = {line.generation: line.at for line in lines if line.event == "complete"}
            if generation not in ends:
                return None
            earlier = max((number for number in ends if number < generation), default=0)
            arrivals = _arrivals(connection, study_instance_uid, ends.get(earlier), ends[generation])
            own = [line for line in lines if line.generation == generation]
            return Journey(
                study_instance_uid,
                generation,
                arrivals[0] or ends[generation],
                arrivals[1] or ends[generation],
                arrivals[2],
                ends[generation],
                next((line.at for line in own if line.event == "routing"), None),
                earlier,
                _work(connection, study_instance_uid, generation, own),
            )


def _works() -> ColumnElement[bool]:
    return exists().where(
        _JOBS.study_instance_uid == _STUDIES.study_instance_uid,
        _JOBS.generation == _STUDIES.generation,
        _JOBS.state.in_(_UNFINISHED),
    )


def _delivers() -> ColumnElement[bool]:
    arrived = _DELIVERIES.state.in_((DeliveryState.DELIVERED, DeliveryState.WARNING))
    return exists().where(
        _EVIDENCE.study_instance_uid == _STUDIES.study_instance_uid,
        _DELIVERIES.sop_instance_uid == _EVIDENCE.sop_instance_uid,
        or_(_DELIVERIES.state.in_(_UNDERWAY), and_(arrived, _DELIVERIES.proof.in_(_UNPROVEN))),
    )


def _lines(connection: Connection, study_instance_uid: str) -> list[TraceEntry]:
    query = select(tables.traces).where(_TRACES.study_instance_uid == study_instance_uid).order_by(_TRACES.trace_id)
    return [
        TraceEntry(row.study_instance_uid, row.generation, row.event, row.model_name, row.text, row.at)
        for row in connection.execute(query)
    ]


def _arrivals(
    connection: Connection, study_instance_uid: str, after: datetime | None, until: datetime
) -> tuple[datetime | None, datetime | None, int]:
    of_study = (_INSTANCES.study_instance_uid == study_instance_uid, _INSTANCES.kind == Kind.SOURCE)
    query = select(func.min(_INSTANCES.received_at), func.max(_INSTANCES.received_at), func.count())
    query = query.where(*of_study, _INSTANCES.received_at <= until)
    if after is not None:
        query = query.where(_INSTANCES.received_at > after)
    first, last, count = connection.execute(query).one()
    return first, last, int(count)


def _work(
    connection: Connection, study_instance_uid: str, generation: int, lines: Sequence[TraceEntry]
) -> tuple[Work, ...]:
    of_study = (_JOBS.study_instance_uid == study_instance_uid, _JOBS.generation == generation)
    jobs = connection.execute(select(tables.jobs).where(*of_study).order_by(_JOBS.job_id)).all()
    return tuple(
        Work(
            job.job_id,
            job.model_name,
            job.kind,
            job.state,
            job.outcome,
            job.error,
            job.created_at,
            job.finished_at,
            _began_result(connection, job),
            tuple(line for line in lines if line.model_name == job.model_name and line.event != "routing"),
            _documents(connection, job.job_id),
            _passages(connection, job.job_id),
        )
        for job in jobs
        if job.created_at is not None  # else it is older than these times are kept
    )


def _began_result(connection: Connection, job: IndexRow) -> datetime | None:
    """When the model began in the last attempt; an answer that was given before has an older time."""
    if job.started_at is None or job.finished_at is None:
        return None
    same = (_RESULTS.study_instance_uid == job.study_instance_uid, _RESULTS.model_name == job.model_name)
    within = (_RESULTS.created >= job.started_at, _RESULTS.created <= job.finished_at)
    found: datetime | None = connection.execute(select(func.max(_RESULTS.created)).where(*same, *within)).scalar()
    return found


def _documents(connection: Connection, job_id: int) -> tuple[Document, ...]:
    query = select(tables.evidence).where(_EVIDENCE.job_id == job_id).order_by(_EVIDENCE.role)
    return tuple(Document(row.role, row.state, row.created) for row in connection.execute(query))


def _passages(connection: Connection, job_id: int) -> tuple[Passage, ...]:
    query = (
        select(tables.deliveries, _EVIDENCE.role, _EVIDENCE.created)
        .join(tables.evidence, _DELIVERIES.sop_instance_uid == _EVIDENCE.sop_instance_uid)
        .where(_EVIDENCE.job_id == job_id)
        .order_by(_DELIVERIES.delivery_id)
    )
    return tuple(
        Passage(
            row.role,
            row.target,
            row.state,
            row.proof,
            row.attempts,
            row.created,
            row.updated_at,
            row.sent_at,
            row.proven_at,
        )
        for row in connection.execute(query)
    )
