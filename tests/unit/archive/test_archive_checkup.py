"""Files and index against each other, from either side; and an index that is damaged or lost."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from dicomnode.archive import Archive, database, tables
from dicomnode.archive.discrepancies import Discrepancy, Fault, FileRow, Holding
from dicomnode.archive.files import file_sha256
from dicomnode.archive.integrity import index_damage
from dicomnode.archive.rebuilding import rebuild_index
from dicomnode.archive.records import DeliveryState, EvidenceState, JobKind, NewEvidence, NewJob, StoredStatus
from dicomnode.errors import ArchiveError, IndexDamagedError, NotFoundError, UsageError
from tests.archives import NOW, SR, at, complete, make_file, only_sqlite, open_archive, put


def look(archive: Archive) -> list[Discrepancy]:
    return list(archive.checkup.look(lambda done, total: None))


def repair(archive: Archive) -> list[Discrepancy]:
    return list(archive.checkup.repair(at(50), lambda done, total: None))


def events(archive: Archive) -> list[str]:
    return [entry.event for entry in archive.audit.list()]


@pytest.fixture
def answered(archive: Archive) -> NewEvidence:
    """A study with an answer that waits to be sent."""
    put(archive, make_file())
    job = NewJob("brain", "d" * 64, JobKind.INFER, "modality MR", ("1.2.3.9",), ("pacs",), False)
    archive.jobs.add_all("1.2.3", complete(archive), [job], [], NOW)
    leased = archive.jobs.lease("worker", NOW, 60)
    assert leased is not None
    path = archive.evidence.write_file(
        make_file("2.25.1", SOPClassUID=SR, Modality="SR", SeriesInstanceUID="2.25.9"), "2.25.1"
    )
    evidence = NewEvidence("2.25.1", SR, "2.25.9", "1.2.3", "brain", "answer", path, 1)
    assert archive.jobs.finish(leased.job_id, "worker", [evidence], "{}", NOW)
    return evidence


def test_a_sound_archive_has_nothing_to_tell(archive: Archive, answered: NewEvidence) -> None:
    put(archive, make_file("1.2.3.2", PatientID="P2"))
    steps: list[tuple[int, int]] = []
    assert list(archive.checkup.look(lambda done, total: steps.append((done, total)))) == []
    assert repair(archive) == []
    assert steps[-1] == (3, 4)  # the node's own object has two rows and one file


def test_a_row_without_file_is_told_and_taken_out_of_service(archive: Archive) -> None:
    path = put(archive, make_file()).instance.path
    put(archive, make_file("1.2.3.2"))
    path.unlink()
    (found,) = look(archive)
    assert (found.fault, found.holding, found.sop_instance_uid) == (Fault.NO_FILE, Holding.INSTANCES, "1.2.3.1")
    assert archive.instances.exists("1.2.3.1")
    (mended,) = repair(archive)
    assert "taken out of the index" in str(mended)
    assert archive.instances.known("1.2.3") == {"1.2.3.2"}
    assert events(archive) == ["instance missing"]
    assert look(archive) == []
    assert put(archive, make_file(), at(60)).status is StoredStatus.NEW


def test_a_study_that_lost_an_instance_opens_again_where_a_pacs_is_asked(
    archive: Archive, answered: NewEvidence
) -> None:
    archive.instances.get("1.2.3.1").path.unlink()
    (mended,) = archive.checkup.repair(at(50), lambda done, total: None, fetch=True)
    assert mended.is_wrong and "open again" in mended.outcome
    (waiting,) = archive.studies.open_studies()
    assert (waiting.study_instance_uid, waiting.last_arrival) == ("1.2.3", at(50))


def test_a_lost_substitute_is_made_anew_when_it_is_needed(archive: Archive, answered: NewEvidence) -> None:
    path = archive.evidence.write_file(make_file("2.25.5", SOPClassUID=SR), "2.25.5")
    relative = path.relative_to(archive._files.root)
    row = FileRow(Holding.SUBSTITUTES, "2.25.5", relative, file_sha256(path))
    with archive._database.write() as connection:
        values = {"sop_instance_uid": "2.25.5", "path": relative.as_posix(), "sha256": row.sha256}
        values |= {"form": "sr", "series_instance_uid": "2.25.8", "reason": "older"}
        uids = {"original_sop_instance_uid": "2.25.1", "sop_class_uid": SR, "transfer_syntax_uid": "1.2"}
        connection.execute(insert(tables.substitutes).values(created=NOW, **values, **uids))
    assert look(archive) == []
    path.write_bytes(b"other")
    (mended,) = repair(archive)
    assert (mended.holding, mended.fault) == (Holding.SUBSTITUTES, Fault.OTHER_BYTES)
    assert "made anew" in mended.outcome
    assert look(archive) == []


def test_the_last_instance_of_a_series_takes_the_series_with_it(archive: Archive) -> None:
    put(archive, make_file("1.2.3.2"))
    put(archive, make_file("1.2.3.3", SeriesInstanceUID="1.2.3.8")).instance.path.unlink()
    repair(archive)
    assert archive.studies.record("1.2.3").number_of_series == 1


def test_a_file_that_lies_elsewhere_is_put_back(archive: Archive, tmp_path: Path) -> None:
    path = put(archive, make_file()).instance.path
    elsewhere = tmp_path / "data" / "conflicts" / path.parent.name
    elsewhere.mkdir()
    path.rename(elsewhere / path.name)
    (mended,) = repair(archive)
    assert "restored from conflicts/" in mended.outcome
    assert path.read_bytes() == make_file()
    assert look(archive) == []


def test_a_file_with_other_bytes_is_kept_aside_and_counts_as_missing(archive: Archive, tmp_path: Path) -> None:
    path = put(archive, make_file()).instance.path
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    (found,) = look(archive)
    assert found.fault is Fault.OTHER_BYTES
    (mended,) = repair(archive)
    assert "kept as quarantine/" in mended.outcome
    assert not path.exists()
    assert len(list((tmp_path / "data" / "quarantine").rglob("*.damaged"))) == 1
    with pytest.raises(NotFoundError):
        archive.instances.get("1.2.3.1")
    assert events(archive) == ["instance missing", "damaged file"]
    assert look(archive) == []


def test_files_without_rows_are_indexed(archive: Archive, tmp_path: Path) -> None:
    for folder, data in (("instances", make_file()), ("quarantine", make_file("1.2.3.2"))):
        with archive.instances.new_file() as staged:
            staged.write(data)
            archive._files.keep(staged, folder)  # as if killed before the index was written
    assert {found.fault for found in look(archive)} == {Fault.NO_ROW}
    assert [mended.outcome for mended in repair(archive)] == ["indexed", "indexed"]
    assert archive.instances.known("1.2.3") == {"1.2.3.1", "1.2.3.2"}
    assert archive.instances.get("1.2.3.2").path.relative_to(tmp_path / "data").parts[0] == "instances"
    assert look(archive) == []


@pytest.mark.parametrize("named_by_content", [True, False])
def test_a_file_that_cannot_be_read_is_kept_aside(archive: Archive, named_by_content: bool) -> None:
    with archive.instances.new_file() as staged:
        staged.write(b"no instance")
        relative = archive._files.keep(staged, "instances")
    if not named_by_content:
        path = archive._files.root / relative
        path.write_bytes(b"half")
    (mended,) = repair(archive)
    assert mended.outcome.endswith(".damaged")
    assert look(archive) == []


def test_what_dead_processes_staged_is_removed(archive: Archive, tmp_path: Path) -> None:
    dead = tmp_path / "data" / "staging" / "0123456789abcdef"
    dead.mkdir()
    (dead / "unfinished").write_bytes(b"x")
    assert [found.fault for found in look(archive)] == [Fault.LEFT_OVER]
    repair(archive)
    assert not dead.exists()


def test_lost_evidence_is_kept_back_until_it_is_made_anew(archive: Archive, answered: NewEvidence) -> None:
    content = answered.path.read_bytes()
    answered.path.unlink()
    (found,) = look(archive)
    assert (found.fault, found.holding) == (Fault.NO_FILE, Holding.EVIDENCE)
    repair(archive)
    lost = archive.evidence.get("2.25.1")
    assert lost is not None and lost.state is EvidenceState.QUARANTINED
    assert [(item.state, item.status) for item in archive.deliveries.list()] == [
        (DeliveryState.REFUSED, "its file was lost")
    ]
    assert repair(archive) == look(archive) == []  # told once
    with pytest.raises(NotFoundError):
        archive.instances.get("2.25.1")
    archive.evidence.write_file(content, "2.25.1")
    assert repair(archive) == []
    again = archive.evidence.get("2.25.1")
    assert again is not None and again.state is EvidenceState.READY
    assert archive.instances.get("2.25.1").path == again.path
    assert [item.state for item in archive.deliveries.list()] == [DeliveryState.WAITING]
    assert events(archive) == ["evidence restored", "evidence missing"]


def test_an_answer_that_was_never_finished_is_left_alone(archive: Archive) -> None:
    path = archive.evidence.write_file(make_file("2.25.1", SOPClassUID=SR), "2.25.1")
    (mended,) = repair(archive)
    assert (mended.fault, mended.holding) == (Fault.NO_ROW, Holding.EVIDENCE)
    assert path.exists()


def index_of(tmp_path: Path) -> tuple[str, Path]:
    path = tmp_path / "data" / "index.sqlite"
    return f"sqlite:///{path}", path


@only_sqlite
def test_a_lost_index_is_built_from_the_files(archive: Archive, answered: NewEvidence, tmp_path: Path) -> None:
    put(archive, make_file("1.2.4.1", "1.2.4"))
    archive.close()
    url, path = index_of(tmp_path)
    path.unlink()
    assert "lost" in index_damage(url, thorough=False)
    assert rebuild_index(url, tmp_path / "data", NOW).rows == 0
    with open_archive(tmp_path / "data") as again:
        repair(again)
        assert again.instances.get("1.2.3.1").path.read_bytes() == make_file()
        assert again.instances.exists("1.2.4.1")


@only_sqlite
def test_a_damaged_index_is_told_and_rebuilt(archive: Archive, answered: NewEvidence, tmp_path: Path) -> None:
    for number in range(2, 60):
        put(archive, make_file(f"1.2.3.{number}", InstanceNumber=number))
    archive.close()
    url, path = index_of(tmp_path)
    assert index_damage(url, thorough=True) == ""
    damage(path, "instances")
    with (
        pytest.raises(IndexDamagedError, match="dicomnode doctor --deep --repair"),
        open_archive(tmp_path / "data") as damaged,
    ):
        damaged.checkup.repair(NOW, lambda done, total: None)
        look(damaged)
    assert index_damage(url, thorough=True)
    rebuilt = rebuild_index(url, tmp_path / "data", NOW)
    assert rebuilt.aside is not None and rebuilt.aside.exists() and rebuilt.rows > 0
    assert index_damage(url, thorough=True) == ""
    with open_archive(tmp_path / "data") as again:
        repair(again)
        assert look(again) == []
        assert len(again.instances.known("1.2.3")) == 60
        assert again.evidence.get("2.25.1") is not None
        assert len(again.deliveries.list()) == 1
        assert "index rebuilt" in events(again)


@only_sqlite
def test_a_file_that_is_no_database_is_told_and_rebuilt(archive: Archive, tmp_path: Path) -> None:
    put(archive, make_file())
    archive.close()
    url, path = index_of(tmp_path)
    path.write_bytes(os.urandom(20_000))
    with pytest.raises(IndexDamagedError, match="stop the node"):
        open_archive(tmp_path / "data")
    assert index_damage(url, thorough=False)
    assert rebuild_index(url, tmp_path / "data", NOW).rows == 0
    with open_archive(tmp_path / "data") as again:
        repair(again)
        assert again.instances.exists("1.2.3.1")


@only_sqlite
@pytest.mark.parametrize("mode", ["NORMAL", "EXCLUSIVE"])
def test_a_locked_index_says_who_can_help(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    archive.close()
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.1)
    with closing(sqlite3.connect(index_of(tmp_path)[1], isolation_level=None)) as other:
        other.execute(f"PRAGMA locking_mode = {mode}")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArchiveError, match=r"stayed locked .* `dicomnode doctor`"):  # noqa: SIM117
            with open_archive(tmp_path / "data") as locked:
                locked.audit.add("test", "anything", NOW)


def test_an_index_on_a_server_is_left_to_its_server(tmp_path: Path) -> None:
    assert index_damage("postgresql+psycopg://node@localhost/node", thorough=True) == ""
    with pytest.raises(UsageError, match="database server"):
        rebuild_index("postgresql+psycopg://node@localhost/node", tmp_path, NOW)


def damage(path: Path, table: str) -> None:
    """Overwrite the first page of a table, as a bad disk does."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
