"""A new index in place of a damaged one: what can still be read is taken over, the rest comes from the files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.contents import recount
from dicomnode.archive.database import Database
from dicomnode.archive.files import sync_folder
from dicomnode.archive.integrity import index_file
from dicomnode.archive.migrate import migrate
from dicomnode.errors import UsageError

_COMPANIONS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of a damaged index.

    Attributes:
        aside: Where it is kept, None if there was none.
        rows: Rows that were taken over from it.
    """

    aside: Path | None
    rows: int


def rebuild_index(database_url: str, data_dir: Path, now: datetime) -> Rebuilt:
    """Put a new index in the place of a damaged one, with every row that can still be read.

    No process may use the index meanwhile. Comparing files and index afterwards adds the rows that were lost.

    Raises:
        UsageError: The index is kept by a database server.
    """
    file = index_file(database_url)
    if file is None:
        raise UsageError("the index is on a database server: restore it there, then `dicomnode doctor --deep --repair`")
    aside = _set_aside(file, now)
    database = Database(database_url)
    try:
        migrate(database, data_dir)
        rows = 0 if aside is None else _take_over(database, aside)
        with database.write() as connection:
            text = f"the damaged index was replaced: {rows} rows taken over"
            add_audit(connection, "index rebuilt", f"{text}, kept as {aside.name}" if aside else text, now)
    finally:
        database.close()
    return Rebuilt(aside, rows)


def _set_aside(file: Path, now: datetime) -> Path | None:
    if not file.exists():
        return None
    aside = file.with_name(f"{file.name}.damaged-{now:%Y%m%dT%H%M%S%fZ}")
    # The log last: without its database it would be taken for one of the new index.
    for companion in _COMPANIONS[::-1]:
        path = file.with_name(file.name + companion)
        if path.exists():
            path.replace(aside.with_name(aside.name + companion))
    sync_folder(file.parent)
    return aside


def _take_over(database: Database, aside: Path) -> int:
    rows = 0
    with closing(sqlite3.connect(f"{aside.as_uri()}?mode=ro", uri=True)) as damaged, database.write() as connection:
        for table in tables.metadata.sorted_tables:
            if table is not tables.contents:  # counted from what could be read
                rows += sum(_insert(connection, table, row) for row in _readable(damaged, table))
        recount(connection)
    return rows


def _readable(damaged: sqlite3.Connection, table: Table) -> Iterator[dict[str, Any]]:
    """Rows of a table up to the damage, from either end of it."""
    seen = 0
    for order, beyond in (("ASC", ">"), ("DESC", ">")):
        try:
            query = f'SELECT rowid, * FROM "{table.name}" WHERE rowid {beyond} ? ORDER BY rowid {order}'  # noqa: S608
            cursor = damaged.execute(query, (seen if order == "DESC" else -1,))
            names = [column[0] for column in cursor.description]
            for row in cursor:
                seen = max(seen, row[0]) if order == "ASC" else seen
                yield {name: value for name, value in zip(names[1:], row[1:], strict=True) if name in table.c}
            return  # nothing was in the way
        except sqlite3.Error:
            continue


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    columns, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
    statement = f'INSERT OR IGNORE INTO "{table.name}" ({columns}) VALUES ({marks})'  # noqa: S608  our own names
    try:
        return connection.exec_driver_sql(statement, tuple(row.values())).rowcount
    except DBAPIError:
        return 0  # what it belongs to could not be read
