"""How far something that follows another system has come."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database


class WatermarkStore:
    """Named texts that survive a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The text of that name, None if never set."""
        with self._database.read() as connection:
            return watermark(connection, name)

    def set(self, name: str, value: str) -> None:
        """Set the text of that name."""
        with self._database.write() as connection:
            set_watermark(connection, name, value)

    def drop(self, name: str) -> None:
        """Forget the text of that name."""
        with self._database.write() as connection:
            connection.execute(delete(tables.watermarks).where(tables.watermarks.c.name == name))


def watermark(connection: Connection, name: str) -> str | None:
    """The text of that name, in the caller's transaction."""
    rows = tables.watermarks
    return connection.execute(select(rows.c.value).where(rows.c.name == name)).scalar_one_or_none()


def set_watermark(connection: Connection, name: str, value: str) -> None:
    """Set the text of that name, in the caller's transaction."""
    rows = tables.watermarks
    changed = connection.execute(update(rows).where(rows.c.name == name).values(value=value))
    if changed.rowcount == 0:
        connection.execute(insert(rows).values(name=name, value=value))
