"""Studies that no model is given any more, because they killed or stalled the process that looked at them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database
from dicomnode.archive.records import TraceEntry
from dicomnode.archive.traces import add_trace

_STUDIES = tables.studies.c


class QuarantineStore:
    """Which studies are quarantined, and why."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, study_instance_uid: str, reason: str, now: datetime) -> None:
        """Quarantine a study: routing gives it to no model until it is released. Jobs that are made already stay."""
        with self._database.write() as connection:
            _set(connection, study_instance_uid, reason)
            _note(
                connection, study_instance_uid, "quarantined", f"{reason}; no model is given this study any more", now
            )

    def release(self, study_instance_uid: str, now: datetime) -> bool:
        """Release a study; what completed while it was quarantined is routed. False if it was not quarantined."""
        rows = tables.studies
        study = _STUDIES.study_instance_uid == study_instance_uid
        with self._database.write() as connection:
            if connection.execute(select(_STUDIES.quarantined).where(study)).scalar_one_or_none() is None:
                return False
            _set(connection, study_instance_uid, None)
            jobs = tables.jobs.c
            newest = select(func.max(jobs.generation)).where(jobs.study_instance_uid == study_instance_uid)
            routed = connection.execute(newest).scalar_one() or 0
            connection.execute(
                update(rows).where(study, _STUDIES.routed_generation > routed).values(routed_generation=routed)
            )
            _note(connection, study_instance_uid, "released", "it is given to models again", now)
        return True

    def list(self) -> list[tuple[str, str]]:
        """Quarantined studies, each with the reason."""
        query = select(_STUDIES.study_instance_uid, _STUDIES.quarantined).where(_STUDIES.quarantined.is_not(None))
        with self._database.read() as connection:
            found = connection.execute(query.order_by(_STUDIES.study_instance_uid)).all()
        return [(row.study_instance_uid, row.quarantined) for row in found]


def _set(connection: Connection, study_instance_uid: str, reason: str | None) -> None:
    study = _STUDIES.study_instance_uid == study_instance_uid
    connection.execute(update(tables.studies).where(study).values(quarantined=reason))


def _note(connection: Connection, study_instance_uid: str, event: str, text: str, now: datetime) -> None:
    study = _STUDIES.study_instance_uid == study_instance_uid
    generation = connection.execute(select(_STUDIES.generation).where(study)).scalar_one()
    add_trace(connection, TraceEntry(study_instance_uid, generation, event, None, text, now))
    add_audit(connection, f"study {event}", f"study {study_instance_uid}: {text}", now)
