"""Bring the index's schema up to date, once, however many processes start together."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from dicomnode.archive.database import Database, translated
from dicomnode.archive.tables import metadata
from dicomnode.errors import SettingsError

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x44494D47


def migrate(database: Database, folder: Path) -> None:
    """Run the migrations that the index lacks.

    Args:
        database: The index.
        folder: Data folder; holds the lock among processes on SQLite.
    """
    with _file_lock(folder / "migrate.lock"), translated(), database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # Roles on several machines do not share a file lock, and may have to wait for long.
            connection.execute(text("SET lock_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_lock({_MIGRATION_LOCK})"))
        if _revision(connection) != _newest_revision():
            _upgrade(connection)
            if connection.dialect.name == "postgresql":
                _store_text_as_it_is(connection)
        connection.commit()
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_unlock({_MIGRATION_LOCK})"))
            connection.invalidate()  # its settings are not those of the others


def _newest_revision() -> str:
    """The number that the newest migration's file begins with; asking Alembic for it would take it in at each start."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _revision(connection: Connection) -> str | None:
    """The schema's revision, None of an empty index."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _store_text_as_it_is(connection: Connection) -> None:
    """Let PostgreSQL compare text by its code points, whatever the database's locale, and take it at any length.

    So does SQLite; pages then follow each other in one order, and no instance is refused for a long AE title.
    """
    if connection.execute(text("SHOW server_encoding")).scalar_one() != "UTF8":
        raise SettingsError("the database of archive.database_url is not in UTF8: make one with ENCODING 'UTF8'")
    query = text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND (data_type = 'character varying' OR data_type = 'text' AND collation_name IS DISTINCT FROM 'C')"
    )
    for table, column in connection.execute(query).all():
        if table in metadata.tables:
            connection.execute(text(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE text COLLATE "C"'))


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
