"""The index's engine: one write transaction at a time, durable at commit, on SQLite or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Engine, Row, create_engine, event, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.types import TypeDecorator

from dicomnode.errors import ArchiveError, ArchiveFullError, IndexDamagedError, SettingsError

BUSY_TIMEOUT_SECONDS = 30.0
_WRITES = "dicomnode_writes"
_WRITER_LOCK = 0x4449434F  # an arbitrary key of our own for PostgreSQL's advisory locks

CHANNEL = "dicomnode_changes"
"""What PostgreSQL notifies at each commit, for those who wait for a change."""

_DAMAGED = ("malformed", "not a database")  # SQLITE_CORRUPT, SQLITE_NOTADB
REBUILD = "stop the node, then `dicomnode doctor --deep --repair` rebuilds it"

IndexRow = Row[Any]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime, also where the database knows no time zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times, which would be off by the zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the index takes times with a time zone only")
        return value.astimezone(UTC).replace(tzinfo=None if dialect.name == "sqlite" else UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """Transactions on the index; safe among threads and processes.

    Writers queue for the whole transaction (SQLite: BEGIN IMMEDIATE; PostgreSQL: one advisory
    lock), so that a check and the insert that rests on it cannot be split by another process.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._is_sqlite = is_sqlite(url)
        self._mark = "?" if self._is_sqlite else "%s"
        self._idle: list[Any] = []
        server = not is_sqlite(url)
        # A reader sees one state throughout; a writer, what is there once its turn has come.
        reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if server else {}
        writing = {"isolation_level": "READ COMMITTED"} if server else {}
        self._reading = self.engine.execution_options(**reading)
        self._writing = self.engine.execution_options(**{_WRITES: True}, **writing)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the index."""
        with translated(), self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that changes the index; durable once the block is left without an error.

        Raises:
            ArchiveFullError: The disk is full.
            ArchiveError: The index cannot be written or stayed locked.
        """
        with translated(), self._writing.connect() as connection, connection.begin():
            yield connection

    def look_up(self, statement: str, *values: str) -> tuple[Any, ...] | None:
        """The first row of a plain query of one state of the index; an order of magnitude cheaper than `read`.

        Args:
            statement: SQL, with a question mark for each value and nowhere else.
            values: For the question marks.
        """
        with translated(), self._looking() as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement.replace("?", self._mark), values)
            row = cursor.fetchone()
            return None if row is None else tuple(row)

    @contextmanager
    def _looking(self) -> Iterator[Any]:
        """A connection of the driver's; SQLite's are kept aside, because the pool costs more than the query."""
        connection = self._idle.pop() if self._idle else self.engine.raw_connection()
        keep = False
        try:
            yield connection
            keep = self._is_sqlite
        finally:
            if keep:
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close every pooled connection."""
        while self._idle:
            self._idle.pop().close()
        self.engine.dispose()


def is_sqlite(url: str) -> bool:
    """Whether the index is a file of this node, and not on a database server."""
    return url.startswith("sqlite")


def _engine(url: str) -> Engine:
    sqlite = is_sqlite(url)
    # A server lets in 100 connections if nobody says more, and every role of every node opens its own.
    options: dict[str, Any] = (
        {"connect_args": {"timeout": BUSY_TIMEOUT_SECONDS}, "max_overflow": 56}
        if sqlite
        else {"max_overflow": 8, "pool_pre_ping": True}  # a server that was started anew has ended our connections
    )
    if url.startswith("postgresql+psycopg:"):
        # A plan that is kept for any page of a list sorts them all: five times as slow as one made for the page.
        options["connect_args"] = {"prepare_threshold": None}
    try:
        engine = create_engine(url, pool_size=8, **options)
    except (ArgumentError, ImportError, ValueError) as error:
        # What SQLAlchemy says of a URL that it cannot read may quote it, and it may hold a password
        reason = str(error) if isinstance(error, ImportError) else "it is no SQLAlchemy URL"
        raise SettingsError(
            f"archive.database_url cannot be used ({reason}): give an SQLAlchemy URL, such as"
            " postgresql+psycopg://USER@HOST/NAME, and install its driver: pip install 'dicomnode[postgresql]'"
        ) from None
    event.listen(engine, "begin", _begin_sqlite if sqlite else _begin_server)
    event.listen(engine, "connect", _prepare_sqlite if sqlite else _prepare_server)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing of its own: _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_SECONDS * 1000)}")
    # SQLite does not wait out a lock while it changes the journal mode, so change it only if needed.
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA case_sensitive_like = ON")  # as everywhere else, and as PS3.4 C.2.2.2.1 asks
    cursor.close()


def _prepare_server(connection: Any, _record: object) -> None:
    connection.autocommit = True  # else the pool takes the setting back with the first transaction that fails
    connection.execute(f"SET lock_timeout = {int(BUSY_TIMEOUT_SECONDS * 1000)}")
    connection.autocommit = False


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_server(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES, False):
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK}), pg_notify('{CHANNEL}', '')"))


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into the archive's."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:  # the driver's own where a new connection is prepared
        told = error.orig if isinstance(error, DBAPIError) else error
        reason = (str(told) or type(error).__name__).splitlines()[0]
        if "full" in reason or "No space left" in reason:
            raise ArchiveFullError(f"the index has no space left ({reason}): free some disk") from error
        if any(words in reason for words in _DAMAGED):
            raise IndexDamagedError(f"the index is damaged ({reason}): {REBUILD}") from error
        if "locked" in reason or "lock timeout" in reason:
            raise ArchiveError(
                f"the index stayed locked for {BUSY_TIMEOUT_SECONDS:.0f} s ({reason}): another process holds it,"
                " such as a backup or a database tool; end that, and let `dicomnode doctor` look"
            ) from error
        raise ArchiveError(f"the index refused a transaction: {reason}") from error
