"""The list of studies as people look for them: by key, state, modality, model, answer and date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import JobState, StudyRecord, StudyState
from dicomnode.archive.study_records import study_records

_STUDIES, _JOBS, _CONTENTS = tables.studies.c, tables.jobs.c, tables.contents.c
_LAST_CHARACTER = "\U0010ffff"
_SHORTEST_PREFIX = 6


class Standing(StrEnum):
    """Where a study stands, as people ask for it."""

    OPEN = "open"
    COMPLETE = "complete"
    WAITING = "waiting"  # a job of it waits
    LEASED = "leased"  # a job of it runs
    FAILED = "failed"  # a job of it failed
    QUARANTINED = "quarantined"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """What is looked for; an empty condition matches everything.

    Attributes:
        search: A Study Instance UID or its beginning, an accession number, or a patient ID.
        standing: Where the study stands.
        modality: Of one of its series.
        model: That was asked about it.
        outcome: Of a model's answer, by that model if one is given.
        first_date: Study Date from here on, YYYYMMDD.
        last_date: Study Date up to here, YYYYMMDD.
    """

    search: str = ""
    standing: Standing | None = None
    modality: str = ""
    model: str = ""
    outcome: str = ""
    first_date: str = ""
    last_date: str = ""


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job in short; see `Job`."""

    job_id: int
    study_instance_uid: str
    model_name: str
    state: JobState
    outcome: str | None
    score: float | None
    silent: bool
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class StudyLine:
    """A study and the last job of each model."""

    record: StudyRecord
    jobs: tuple[JobLine, ...]


class StudyListStore:
    """Finds studies, the latest arrival first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, wanted: StudyFilter, limit: int = 50, offset: int = 0) -> list[StudyLine]:
        """Studies that fit."""
        rows = tables.studies
        query = select(rows).where(*_conditions(wanted))
        query = query.order_by(_STUDIES.last_arrival.desc(), _STUDIES.study_instance_uid).limit(limit).offset(offset)
        with self._database.read() as connection:
            records = study_records(connection, connection.execute(query).all())
            jobs = _jobs(connection, [record.study_instance_uid for record in records])
        return [StudyLine(record, jobs.get(record.study_instance_uid, ())) for record in records]

    def modalities(self) -> list[str]:
        """Every modality that is here."""
        found: list[str] = []
        with self._database.read() as connection:
            while following := _modality_after(connection, found[-1] if found else ""):
                found.append(following)
        return found


def _modality_after(connection: Connection, before: str) -> str:
    """From one to the next by the index: an archive has many series and few modalities."""
    column = tables.series.c.modality
    return str(connection.execute(select(func.min(column)).where(column > before)).scalar() or "")


def _conditions(wanted: StudyFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.search:
        found.append(_by_key(wanted.search))
    if wanted.standing is not None:
        found.append(_by_standing(wanted.standing))
    if wanted.modality:
        of_study = _CONTENTS.study_instance_uid == _STUDIES.study_instance_uid
        found.append(exists().where(of_study, _CONTENTS.modality == wanted.modality))
    asked = [_JOBS.model_name == wanted.model] * bool(wanted.model)
    asked += [_JOBS.outcome == wanted.outcome] * bool(wanted.outcome)
    if asked:
        found.append(_has_job(*asked))
    if wanted.first_date:
        found.append(_STUDIES.study_date >= wanted.first_date)
    if wanted.last_date:
        found.append(and_(_STUDIES.study_date <= wanted.last_date, _STUDIES.study_date != ""))
    return found


def _by_key(text: str) -> ColumnElement[bool]:
    uid = _STUDIES.study_instance_uid
    keys = [uid == text, _STUDIES.accession_number == text, _STUDIES.patient_id == text]
    if len(text) >= _SHORTEST_PREFIX:
        keys.append(and_(uid >= text, uid < text + _LAST_CHARACTER))
    return or_(*keys)


def _by_standing(standing: Standing) -> ColumnElement[bool]:
    if standing is Standing.QUARANTINED:
        return _STUDIES.quarantined.is_not(None)
    if standing is Standing.CONFLICT:
        return _STUDIES.identity_conflict.is_not(None)
    if standing in (Standing.OPEN, Standing.COMPLETE):
        return _STUDIES.state == StudyState(standing)
    return _has_job(_JOBS.state == JobState(standing))


def _has_job(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether one of the jobs that answer for the study as it is now fits."""
    current = and_(
        _JOBS.study_instance_uid == _STUDIES.study_instance_uid, _JOBS.generation == _STUDIES.routed_generation
    )
    return exists().where(current, *conditions)


def _jobs(connection: Connection, uids: Sequence[str]) -> dict[str, tuple[JobLine, ...]]:
    columns = (
        *(_JOBS.job_id, _JOBS.study_instance_uid, _JOBS.model_name, _JOBS.state),
        *(_JOBS.outcome, _JOBS.score, _JOBS.silent, _JOBS.finished_at),
    )
    query = select(*columns).where(_JOBS.study_instance_uid.in_(uids)).order_by(_JOBS.job_id)
    last: dict[str, dict[str, JobLine]] = {}
    for row in connection.execute(query):
        job_id, uid, model, state, *others = row
        last.setdefault(uid, {})[model] = JobLine(job_id, uid, model, JobState(state), *others)
    return {uid: tuple(jobs.values()) for uid, jobs in last.items()}
