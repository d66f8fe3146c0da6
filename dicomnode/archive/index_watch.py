"""Noticing that another connection changed the index, on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import select
import sqlite3
import time
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import text

from dicomnode.archive.database import CHANNEL, Database, translated
from dicomnode.archive.file_watch import FileWatch
from dicomnode.errors import ArchiveError

_FIRST_LOOK_SECONDS, _LAST_LOOK_SECONDS = 0.001, 0.25
_POLL_SECONDS = 0.05


class IndexWatch(Protocol):
    """Tells when the index changed; used by one thread, but for `wake`."""

    def wait(self, seconds: float) -> bool:
        """Whether it changed, or may have, within so long."""

    def wake(self) -> None:
        """End a wait."""

    def close(self) -> None:
        """Watch no more."""


def watch_index(database: Database) -> IndexWatch:
    """The way to notice changes that the index offers.

    Raises:
        ArchiveError: It cannot be opened.
    """
    if database.engine.dialect.name == "sqlite":
        return SqliteWatch(Path(str(database.engine.url.database)))
    if database.engine.dialect.driver == "psycopg":
        return ServerWatch(database)
    return Clockwork()


class SqliteWatch:
    """Looks at ``PRAGMA data_version`` when the write-ahead log is written to.

    A commit is written to the log some milliseconds before others can see it, so it is looked at until they can.
    """

    def __init__(self, path: Path) -> None:
        with translated():
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on there is a log
        self._version = self._look()
        self._log: FileWatch | None
        try:
            self._log = FileWatch(path.with_name(f"{path.name}-wal"))
        except ArchiveError:
            self._log = None

    def wait(self, seconds: float) -> bool:
        """Whether another connection committed within so long."""
        if self._log is None:
            time.sleep(min(seconds, _POLL_SECONDS))
            return self._is_new()
        if not self._log.wait(seconds):
            return self._is_new()
        pause = _FIRST_LOOK_SECONDS
        while pause < _LAST_LOOK_SECONDS:
            if self._is_new():
                return True
            time.sleep(pause)
            pause *= 1.5
        return self._is_new()

    def wake(self) -> None:
        """End a wait."""
        if self._log is not None:
            self._log.wake()

    def close(self) -> None:
        """Watch no more."""
        self._connection.close()
        if self._log is not None:
            self._log.close()

    def _is_new(self) -> bool:
        before, self._version = self._version, self._look()
        return before != self._version

    def _look(self) -> int:
        with translated():
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


class ServerWatch:
    """Listens to what `Database.write` notifies (PostgreSQL's LISTEN)."""

    def __init__(self, database: Database) -> None:
        with translated():
            self._connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.execute(text(f"LISTEN {CHANNEL}"))
        self._driver: Any = self._connection.connection.driver_connection
        self._refusals = database.engine.dialect.loaded_dbapi.Error
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, seconds: float) -> bool:
        """Whether somebody committed within so long."""
        poll = select.poll()
        poll.register(self._driver.fileno(), select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        poll.poll(seconds * 1000)
        try:
            return bool(list(self._driver.notifies(timeout=0)))
        except self._refusals as error:
            raise ArchiveError(f"the server ended the connection: {str(error).splitlines()[0]}") from error

    def wake(self) -> None:
        """End a wait, now or the next one."""
        os.write(self._waker, b"\0")

    def close(self) -> None:
        """Listen no more."""
        self._connection.invalidate()
        self._connection.close()
        os.close(self._woken)
        os.close(self._waker)


class Clockwork:
    """Says every 0.25 s that something may have changed, where nobody tells."""

    def wait(self, seconds: float) -> bool:
        """Wait; always true."""
        time.sleep(min(seconds, 5 * _POLL_SECONDS))
        return True

    def wake(self) -> None:
        """Ends by itself soon."""

    def close(self) -> None:
        """Nothing is held."""
