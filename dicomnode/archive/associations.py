"""Associations that may still bring instances of a study: completion waits for their release."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_event
from dicomnode.archive.database import Database
from dicomnode.archive.files import FileStore
from dicomnode.dicom.audit import AuditEvent, AuditKind, AuditOutcome, study_objects


class AssociationStore:
    """Who is sending what."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def opened(self, association_id: str, now: datetime) -> None:
        """Note an association (or an HTTP request) that may bring instances."""
        owner = self._files.claim_owner()
        with self._database.write() as connection:
            connection.execute(
                insert(tables.associations).values(association_id=association_id, owner=owner, opened_at=now)
            )

    def touched(self, association_id: str, study_instance_uid: str, now: datetime | None = None) -> None:
        """Note, before its first instance is stored, that the association brings this study."""
        rows = tables.association_studies
        key = {"association_id": association_id, "study_instance_uid": study_instance_uid}
        with self._database.write() as connection:
            if connection.execute(select(rows.c.association_id).filter_by(**key)).first() is None:
                connection.execute(insert(rows).values(first_at=now, **key))

    def closed(
        self, association_id: str, now: datetime, transferred: AuditEvent | None = None, *, clean: bool = False
    ) -> None:
        """Note that the association ended, and for the audit what it brought.

        Args:
            association_id: Of an association that was opened.
            now: Time of the end.
            transferred: What it brought.
            clean: Whether it was released, not aborted, and all that it brought was kept.
        """
        with self._database.write() as connection:
            _close(connection, association_id, now, clean=clean)
            if transferred is not None:
                add_event(connection, transferred, now)

    def close_dead(self, now: datetime) -> int:
        """Close the associations of processes that no longer run; their quiet period starts now.

        Not of those whose arrivals are not all indexed yet (`InstanceStore.take_over`).
        """
        rows = tables.associations
        query = select(rows.c.association_id, rows.c.owner).where(rows.c.closed_at.is_(None))
        with self._database.read() as connection:
            found = connection.execute(query).all()
        owners = {row.owner for row in found}
        ended = {
            owner for owner in owners if not (self._files.is_alive(owner) or self._files.journal_of(owner).exists())
        }
        dead = [row.association_id for row in found if row.owner in ended]
        if dead:
            with self._database.write() as connection:
                for association_id in dead:
                    _audit_dead(connection, association_id, now)
                    _close(connection, association_id, now)
        return len(dead)

    def _may_bring_more(self, owner: str) -> bool:
        return self._files.is_alive(owner) or self._files.journal_of(owner).exists()


def forget_closed(connection: Connection, study_instance_uid: str) -> None:
    """Drop what a complete study no longer needs; open associations stay, they may bring a late instance."""
    rows, studies = tables.associations, tables.association_studies
    closed = select(rows.c.association_id).where(rows.c.closed_at.is_not(None))
    connection.execute(
        delete(studies).where(studies.c.study_instance_uid == study_instance_uid, studies.c.association_id.in_(closed))
    )
    connection.execute(
        delete(rows).where(
            rows.c.closed_at.is_not(None), rows.c.association_id.not_in(select(studies.c.association_id))
        )
    )


def _audit_dead(connection: Connection, association_id: str, now: datetime) -> None:
    """Who sent it and how much came is forgotten with the process; which studies it was about is not."""
    rows = tables.association_studies
    query = select(rows.c.study_instance_uid).where(rows.c.association_id == association_id)
    studies = study_objects(connection.execute(query).scalars().all())
    if studies:
        detail = "the receiving process ended before the association did"
        event = AuditEvent("instances received", detail, AuditKind.TRANSFERRED, "", AuditOutcome.MINOR_FAILURE, studies)
        add_event(connection, event, now)


def _close(connection: Connection, association_id: str, now: datetime, *, clean: bool = False) -> None:
    rows, studies = tables.associations, tables.association_studies
    ended = update(rows).where(rows.c.association_id == association_id)
    connection.execute(ended.values(closed_at=now, clean=clean))
    brought = select(studies.c.study_instance_uid).where(studies.c.association_id == association_id)
    if connection.execute(brought).first() is None:
        connection.execute(delete(rows).where(rows.c.association_id == association_id))
