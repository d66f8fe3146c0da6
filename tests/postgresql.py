"""A PostgreSQL server of the tests' own, in a temporary folder, reached by a Unix socket only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from dicomnode.archive.database import Database
from dicomnode.archive.migrate import migrate
from tests.peers_fixtures import wait_for

_TEMPLATE = "node_template"
_ACCOUNT = "postgres"  # of Debian's package: the server refuses to be run by root
# What a power cut would take is of no use after a test.
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=4GB")


def program(name: str) -> Path | None:
    """One of the server's programs, of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return found[-1] if found else None


class PostgresqlServer:
    """A running server, ended by its process id; each test has a database of its own."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dicomnode-pg-"))
        self._names = (f"node_{number}" for number in count(1))
        self._options = options
        self._as_account: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, _ACCOUNT, _ACCOUNT)
            self._as_account = ["setpriv", f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--clear-groups"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> PostgresqlServer:
        # A language's own order of letters, so that nothing rests on the order of bytes by chance
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en"]
        made = [str(program("initdb")), "-D", str(self._data), "-U", _ACCOUNT, "-A", "trust", "--no-sync", *locale]
        subprocess.run([*self._as_account, *made], check=True, capture_output=True, cwd=self.folder)
        self.run()
        return self

    def run(self) -> None:
        """Start the server program, after `end` for instance."""
        command = [str(program("postgres")), "-D", str(self._data), "-k", str(self.folder), "-c", "listen_addresses="]
        settings = [part for option in self._options for part in ("-c", option)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_account, *command, *settings], stdout=log, stderr=log, cwd=self.folder
            )
        wait_for(self._answers, 60, "PostgreSQL to answer")

    def end(self) -> None:
        """End the server program; what it holds stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # sessions that are left open are ended
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def stop(self) -> None:
        self.end()
        shutil.rmtree(self.folder)

    def make_template(self) -> None:
        """Migrate once what every database is then copied from."""
        self._execute(f"CREATE DATABASE {_TEMPLATE}")
        database = Database(self.url(_TEMPLATE))
        migrate(database, self.folder)
        database.close()

    def new_database(self, *, empty: bool = False, encoding: str = "UTF8") -> str:
        """URL of a database with the schema of an index and no rows; or with nothing at all."""
        name = next(self._names)
        template = "template0" if empty else _TEMPLATE
        provider = "" if encoding == "UTF8" else " LOCALE_PROVIDER libc"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING '{encoding}'{provider}")
        return self.url(name)

    def url(self, name: str) -> str:
        """For `archive.database_url`."""
        return f"postgresql+psycopg://{_ACCOUNT}@/{name}?host={self.folder}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _execute(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user=_ACCOUNT, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            pytest.fail(f"PostgreSQL ended: {(self.folder / 'log').read_text()[-2000:]}")
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server for all tests of the session; mark the test with ``postgresql``."""
    server = PostgresqlServer(*_QUICK)
    try:
        server.start().make_template()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def index_url(request: pytest.FixtureRequest) -> str:
    """Each test runs on both databases; ``""`` is the node's own SQLite file."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql").new_database())
