"""The audit trail."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import AuditEntry


class AuditStore:
    """What an administrator must be able to look up later; holds UIDs, no names nor patient IDs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: str, detail: str, now: datetime) -> None:
        """Add an entry."""
        with self._database.write() as connection:
            add_audit(connection, event, detail, now)

    def list(self, limit: int = 1000) -> list[AuditEntry]:
        """The newest entries, newest first."""
        query = select(tables.audit).order_by(tables.audit.c.audit_id.desc()).limit(limit)
        with self._database.read() as connection:
            return [AuditEntry(row.event, row.detail, row.at) for row in connection.execute(query)]


def add_audit(connection: Connection, event: str, detail: str, now: datetime) -> None:
    """Add an entry in a transaction that does more."""
    connection.execute(insert(tables.audit).values(event=event, detail=detail, at=now))
