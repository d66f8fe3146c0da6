"""Bring the index's schema up to date, once, however many processes start together."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from dicomnode.archive.database import Database, translated

_MIGRATION_LOCK = 0x44494D47


def migrate(database: Database, folder: Path) -> None:
    """Run the migrations that the index lacks.

    Args:
        database: The index.
        folder: Data folder; holds the lock among processes on SQLite.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    newest = ScriptDirectory.from_config(config).get_current_head()
    with _file_lock(folder / "migrate.lock"), translated(), database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # Roles on several machines do not share a file lock.
            connection.execute(text(f"SELECT pg_advisory_lock({_MIGRATION_LOCK})"))
        if MigrationContext.configure(connection).get_current_revision() != newest:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        connection.commit()
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_unlock({_MIGRATION_LOCK})"))


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
