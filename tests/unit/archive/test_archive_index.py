"""The index itself: schema, transactions, start of several processes, small stores."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from dicomnode.archive import Archive, database
from dicomnode.archive.database import Database
from dicomnode.archive.records import Deployment, DeploymentState, OpenStudy
from dicomnode.archive.tables import metadata
from dicomnode.archive.tallies import Tally
from dicomnode.errors import ArchiveError, NotFoundError, SettingsError
from dicomnode.settings import ArchiveSettings, NodeSettings, Settings
from tests.archives import NOW, at, complete, make_file, only_sqlite, open_archive, put
from tests.postgresql import PostgresqlServer

OPENER = """
import sys
from pathlib import Path
from tests.archives import make_file, open_archive, put
with open_archive(Path(sys.argv[1]), *sys.argv[3:]) as archive:
    for number in range(5):
        put(archive, make_file(f"1.2.3.{sys.argv[2]}.{number}", ContentTime="1200"))
        put(archive, make_file(f"1.2.3.0.{number}"))
"""


def test_the_migrations_make_the_tables_that_the_code_uses(archive: Archive, index_url: str) -> None:
    with archive._database.engine.connect() as connection:
        # On PostgreSQL every text is of one type, see below.
        look = MigrationContext.configure(connection, opts={"compare_type": not index_url})
        assert compare_metadata(look, metadata) == []


@pytest.mark.postgresql
def test_postgresql_compares_text_by_its_code_points_and_takes_any_length(
    tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    with open_archive(tmp_path, postgresql.new_database()) as archive:
        for name in ("b", "B", "a", "_", "1.2", "1-1"):
            archive.watermarks.set(name, "1")
        archive.tallies.add([Tally("p" * 500, "2026-01-01", instances=1)])
        with archive._database.read() as connection:
            names = connection.execute(text("SELECT name FROM watermarks ORDER BY name")).scalars().all()
    assert names == ["1-1", "1.2", "B", "_", "a", "b"]


@pytest.mark.postgresql
def test_a_database_in_another_encoding_is_refused(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database(empty=True, encoding="LATIN1")
    with pytest.raises(SettingsError, match="UTF8"):
        open_archive(tmp_path, url)


@pytest.mark.postgresql
def test_several_processes_make_the_schema_of_an_empty_database(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database(empty=True)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-W", "error", "-c", OPENER, str(tmp_path / "data")]
    processes = [subprocess.Popen([*command, str(number), url], cwd=root) for number in range(1, 3)]
    assert [process.wait(60) for process in processes] == [0, 0]
    with open_archive(tmp_path / "data", url) as archive:
        assert archive.studies.record("1.2.3").source_instances == 15


@pytest.mark.postgresql
def test_a_reader_sees_one_state_and_a_writer_the_newest(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    value = text("SELECT value FROM watermarks")
    with open_archive(tmp_path / "a", url) as one, open_archive(tmp_path / "b", url) as other:
        one.watermarks.set("pacs", "1")
        with one._database.read() as connection:
            assert connection.execute(value).scalar_one() == "1"
            other.watermarks.set("pacs", "2")
            assert connection.execute(value).scalar_one() == "1"
        with one._database.write() as connection:
            assert connection.execute(value).scalar_one() == "2"


@pytest.mark.postgresql
def test_a_writer_waits_for_its_turn_and_not_for_ever(
    tmp_path: Path, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.1)
    url = postgresql.new_database()
    with open_archive(tmp_path / "a", url) as one, open_archive(tmp_path / "b", url) as other:
        with one._database.write(), pytest.raises(ArchiveError, match="stayed locked"):
            other.watermarks.set("pacs", "1")
        other.watermarks.set("pacs", "1")


@pytest.mark.postgresql
def test_a_server_that_starts_anew_is_found_again(tmp_path: Path) -> None:
    server = PostgresqlServer()
    try:
        with open_archive(tmp_path, server.start().new_database(empty=True)) as archive:
            archive.watermarks.set("pacs", "1")
            server.end()
            with pytest.raises(ArchiveError):
                archive.watermarks.get("pacs")
            server.run()
            assert archive.watermarks.get("pacs") == "1"
    finally:
        server.stop()


@only_sqlite
def test_the_index_survives_a_power_cut_and_lets_readers_read(archive: Archive) -> None:
    with archive._database.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30000


def test_opening_again_finds_everything(tmp_path: Path) -> None:
    with open_archive(tmp_path) as archive:
        put(archive, make_file())
    with open_archive(tmp_path) as archive:
        assert archive.instances.exists("1.2.3.1")


def test_four_processes_start_and_store_at_once(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-W", "error", "-c", OPENER, str(tmp_path / "data")]
    processes = [subprocess.Popen([*command, str(number)], cwd=root) for number in range(1, 5)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    with open_archive(tmp_path / "data") as archive:
        assert archive.studies.record("1.2.3").source_instances == 25
        assert len(list((tmp_path / "data" / "instances").rglob("*.dcm"))) == 25
        assert archive.studies.open_studies()[0].arrivals == 25
    assert list((tmp_path / "data" / "staging").iterdir()) == []


def test_a_transaction_that_fails_leaves_nothing(archive: Archive) -> None:
    with pytest.raises(KeyError), archive._database.write() as connection:
        connection.execute(text("INSERT INTO watermarks (name, value) VALUES ('a', 'b')"))
        raise KeyError
    assert archive.watermarks.get("a") is None


def test_what_the_database_refuses_is_an_archive_error(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="missing"), archive._database.read() as connection:
        connection.execute(text("SELECT * FROM missing"))
    unreachable = Database("sqlite:////nowhere/index.sqlite")
    with pytest.raises(ArchiveError, match="unable to open"), unreachable.read():
        pass


@pytest.mark.parametrize("url", ["nonsense", "sqlite+nodriver:///x", "postgresql+nodriver://x/y"])
def test_a_database_that_cannot_be_used_is_a_wrong_setting(tmp_path: Path, url: str) -> None:
    settings = Settings(node=NodeSettings(data_dir=tmp_path), archive=ArchiveSettings(database_url=url))
    with pytest.raises(SettingsError, match=r"archive\.database_url"):
        Archive.open(settings)


def test_times_without_a_zone_are_refused(archive: Archive) -> None:
    with pytest.raises(Exception, match="with a time zone"):
        archive.audit.add("event", "detail", datetime(2026, 1, 1))


def test_watermarks_are_remembered(archive: Archive) -> None:
    assert archive.watermarks.get("pacs") is None
    archive.watermarks.set("pacs", "1")
    archive.watermarks.set("pacs", "2")
    assert archive.watermarks.get("pacs") == "2"


def test_deployments_are_approved_switched_and_audited(archive: Archive) -> None:
    store = archive.deployments
    assert store.get("brain") is None
    store.approve("brain", "a" * 64, DeploymentState.SILENT, NOW)
    store.approve("brain", "b" * 64, DeploymentState.SILENT, at(1))
    store.set_state("brain", DeploymentState.LIVE, at(2))
    assert store.get("brain") == Deployment("brain", "b" * 64, DeploymentState.LIVE, at(1))
    assert store.list() == [Deployment("brain", "b" * 64, DeploymentState.LIVE, at(1))]
    assert [entry.event for entry in archive.audit.list()] == ["model switched", "model approved", "model approved"]
    with pytest.raises(NotFoundError, match="never approved"):
        store.set_state("chest", DeploymentState.LIVE, NOW)


def test_traces_are_lines(archive: Archive) -> None:
    archive.traces.add("1.2.3", 1, "routing", "brain", "no\nmatch", NOW)
    (line,) = archive.traces.list("1.2.3")
    assert (line.text, line.at) == ("no match", NOW)
    assert archive.traces.list("9.9") == []


def test_completion_sees_who_still_sends(archive: Archive) -> None:
    store = archive.associations
    for name in ("a", "b", "c"):
        store.opened(name, NOW)
    store.touched("a", "1.2.3")
    store.touched("a", "1.2.3")
    store.touched("b", "1.2.3")
    put(archive, make_file(), at(1))
    store.closed("a", at(2))
    store.closed("c", at(2))
    assert archive.studies.open_studies() == [OpenStudy("1.2.3", at(1), at(1), 1, 1, at(2))]
    complete(archive)
    put(archive, make_file("1.2.3.2"), at(3))
    assert archive.studies.open_studies() == [OpenStudy("1.2.3", at(3), at(3), 2, 1, None, 1)]
    store.closed("b", at(4))
    complete(archive)
    with archive._database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM associations")).scalar() == 0


def test_associations_of_dead_processes_are_closed(archive: Archive, tmp_path: Path, index_url: str) -> None:
    with open_archive(tmp_path / "data", index_url) as other:
        other.associations.opened("a", NOW)
        other.associations.touched("a", "1.2.3")
        put(archive, make_file())
        assert archive.associations.close_dead(at(1)) == 0
    assert archive.associations.close_dead(at(2)) == 1
    assert archive.studies.open_studies()[0].last_released == at(2)


def test_a_study_is_completed_once_and_not_over_an_arrival(archive: Archive) -> None:
    put(archive, make_file())
    assert archive.studies.complete("1.2.3", "quiet", 0, NOW) is None
    assert archive.studies.complete("1.2.3", "quiet", 1, NOW) == 1
    assert archive.studies.complete("1.2.3", "quiet", 1, NOW) is None
    with pytest.raises(NotFoundError):
        archive.studies.complete("9.9", "quiet", 1, NOW)
