"""Those who wait for the index to change are woken by another connection's commit, and by nothing else."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from dicomnode.archive.database import Database
from dicomnode.archive.file_watch import FileWatch
from dicomnode.archive.index_watch import Clockwork, watch_index
from dicomnode.archive.migrate import migrate
from dicomnode.archive.wakeups import Wakeups
from dicomnode.errors import ArchiveError


@pytest.fixture
def databases(index_url: str, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """The index as two processes see it."""
    url = index_url or f"sqlite:///{tmp_path / 'index.sqlite'}"
    one, other = Database(url), Database(url)
    migrate(one, tmp_path)
    with one.write() as connection:
        connection.execute(text("CREATE TABLE marks (mark INTEGER)"))
    yield one, other
    one.close()
    other.close()


def mark(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("INSERT INTO marks VALUES (1)"))


def test_a_waiter_is_woken_by_a_commit_of_another_connection(databases: tuple[Database, Database]) -> None:
    ours, theirs = databases
    wakeups = Wakeups(ours)
    waiter, stop = wakeups.waiter(), threading.Event()
    waiter.wait(stop, 0.0)
    waiter.wait(stop, 0.3)  # the watch has begun; what changed before it is told at once
    began = time.monotonic()
    threading.Timer(0.2, mark, [theirs]).start()
    waiter.wait(stop, 60.0)
    assert 0.1 < time.monotonic() - began < 30.0
    wakeups.close()


def test_what_changed_while_nobody_waited_is_not_lost(databases: tuple[Database, Database]) -> None:
    ours, theirs = databases
    wakeups = Wakeups(ours)
    waiter, stop = wakeups.waiter(), threading.Event()
    waiter.wait(stop, 0.3)
    mark(theirs)
    time.sleep(0.3)
    began = time.monotonic()
    waiter.wait(stop, 60.0)
    assert time.monotonic() - began < 30.0
    wakeups.close()


def test_without_a_change_it_waits_as_long_as_it_was_told(databases: tuple[Database, Database]) -> None:
    watch = watch_index(databases[0])
    began = time.monotonic()
    assert not watch.wait(0.1)
    assert time.monotonic() - began >= 0.1
    watch.close()


def test_a_wait_ends_when_it_is_time_to_stop(databases: tuple[Database, Database]) -> None:
    wakeups = Wakeups(databases[0])
    waiter, stop = wakeups.waiter(), threading.Event()
    waiter.wait(stop, 0.1)
    threading.Timer(0.1, lambda: (stop.set(), wakeups.wake())).start()
    waiter.wait(stop, 60.0)
    assert stop.is_set()
    wakeups.close()
    waiter.wait(threading.Event(), 0.01)  # after the end nobody is woken, and nobody hangs


def test_an_index_that_cannot_be_watched_is_tried_again(databases: tuple[Database, Database]) -> None:
    tried = threading.Event()

    def refuse(_database: Database) -> Clockwork:
        tried.set()
        raise ArchiveError("away")

    wakeups = Wakeups(databases[0], refuse)
    wakeups.waiter().wait(threading.Event(), 0.05)
    assert tried.wait(30)
    wakeups.close()


def test_where_nobody_tells_it_may_always_have_changed() -> None:
    assert Clockwork().wait(0.001)


def test_a_file_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nothing cannot be watched"):
        FileWatch(tmp_path / "nothing")
