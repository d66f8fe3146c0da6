"""Whether the database itself is sound, asked without changing it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

from dicomnode.archive.database import REBUILD, Database
from dicomnode.errors import IndexDamagedError

_MOST_PROBLEMS = 20


def index_file(database_url: str) -> Path | None:
    """The file of an SQLite index, None for a database server."""
    url = make_url(database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def index_damage(database_url: str, *, thorough: bool) -> str:
    """What is wrong with the database's own structure and what to do, empty if nothing is.

    Args:
        database_url: SQLAlchemy URL.
        thorough: Also compare every index with its table, and look for rows whose parent is missing.

    Raises:
        ArchiveError: The database is away or locked.
    """
    file = index_file(database_url)
    if file is None:
        return ""  # a server checks and repairs its own files
    if not file.exists():
        return f"the index is lost, its file is not there: {REBUILD}"
    database = Database(database_url)
    try:
        problems = "; ".join(_problems(database, thorough))
        return f"the index is damaged ({problems}): {REBUILD}" if problems else ""
    except IndexDamagedError as error:
        return str(error)
    finally:
        database.close()


def _problems(database: Database, thorough: bool) -> list[str]:
    with database.read() as connection:
        check = "integrity_check" if thorough else "quick_check"
        found = connection.exec_driver_sql(f"PRAGMA {check}({_MOST_PROBLEMS})").scalars().all()
        problems = [str(line).splitlines()[0] for line in found if line != "ok"]
        if thorough and not problems:
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            problems += [f"row {row[1]} of table {row[0]} has no {row[2]}" for row in orphans[:_MOST_PROBLEMS]]
        return problems
