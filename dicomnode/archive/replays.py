"""Old studies that run again, behind live work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database
from dicomnode.archive.records import JobState, StudyState, TraceEntry
from dicomnode.archive.traces import add_trace

REPLAY_PRIORITY = -10
_STUDIES, _JOBS = tables.studies.c, tables.jobs.c


@dataclass(frozen=True, slots=True)
class Replay:
    """How studies run again.

    Attributes:
        model_name: The only model that is asked; empty for all.
        silent: Compute without sending.
    """

    model_name: str = ""
    silent: bool = False


class ReplayStore:
    """Which studies are to be routed once more, and how."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def candidates(
        self, since: datetime | None, until: datetime | None, study_instance_uid: str | None = None
    ) -> list[str]:
        """Studies that were complete at least once, by their last arrival, oldest first.

        Args:
            since: Whose last instance came at this time or later; None for any.
            until: And before this; None for any.
            study_instance_uid: Only this one.
        """
        query = select(_STUDIES.study_instance_uid).where(_STUDIES.generation > 0)
        if since is not None:
            query = query.where(_STUDIES.last_arrival >= since)
        if until is not None:
            query = query.where(_STUDIES.last_arrival < until)
        if study_instance_uid is not None:
            query = query.where(_STUDIES.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            found = connection.execute(query.order_by(_STUDIES.last_arrival, _STUDIES.study_instance_uid))
            return list(found.scalars())

    def start(self, study_instance_uids: Sequence[str], replay: Replay, now: datetime) -> tuple[str, ...]:
        """Ask for new routing of studies on which nothing is under way.

        Returns:
            Those that will run again; the others are open, unrouted, quarantined, or have work that is not done.
        """
        started = tuple(uid for uid in study_instance_uids if self._start_one(uid, replay, now))
        which = f"model {replay.model_name}" if replay.model_name else "all models"
        how = ", silent" if replay.silent else ""
        with self._database.write() as connection:
            add_audit(connection, "replay", f"{len(started)} studies, {which}{how}", now)
        return started

    def asked(self, study_instance_uid: str) -> Replay | None:
        """The replay that a study waits for, None if it is live work."""
        query = select(tables.studies).where(_STUDIES.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.replay_priority is None:
            return None
        return Replay(row.replay_model or "", bool(row.replay_silent))

    def _start_one(self, study_instance_uid: str, replay: Replay, now: datetime) -> bool:
        # A transaction a study: live writers get in between, however many studies are replayed
        study = _STUDIES.study_instance_uid == study_instance_uid
        with self._database.write() as connection:
            row = connection.execute(
                select(_STUDIES.generation).where(
                    study,
                    _STUDIES.state == StudyState.COMPLETE,
                    _STUDIES.generation == _STUDIES.routed_generation,
                    _STUDIES.quarantined.is_(None),
                    ~_has_unfinished_jobs(),
                )
            ).one_or_none()
            if row is None:
                return False
            values = {
                "generation": row.generation + 1,
                "replay_priority": REPLAY_PRIORITY,
                "replay_model": replay.model_name or None,
                "replay_silent": replay.silent,
            }
            connection.execute(update(tables.studies).where(study).values(values))
            _trace(connection, study_instance_uid, row.generation + 1, replay, now)
        return True


def _has_unfinished_jobs() -> ColumnElement[bool]:
    return exists().where(
        _JOBS.study_instance_uid == _STUDIES.study_instance_uid,
        _JOBS.state.in_((JobState.WAITING, JobState.LEASED)),
    )


def _trace(connection: Connection, study_instance_uid: str, generation: int, replay: Replay, now: datetime) -> None:
    text = "runs again behind live work" + ("; computed, never sent" if replay.silent else "")
    add_trace(connection, TraceEntry(study_instance_uid, generation, "replay", replay.model_name or None, text, now))
