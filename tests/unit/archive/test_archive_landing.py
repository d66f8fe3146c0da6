"""Arrivals are acknowledged once the journal holds them; the index follows, whatever happens in between."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import text

from dicomnode.archive import Archive
from dicomnode.archive.associations import AssociationStore
from dicomnode.archive.backup import back_up
from dicomnode.archive.discrepancies import Fault
from dicomnode.archive.files import FileStore
from dicomnode.archive.landing.backlog import Landed
from dicomnode.archive.records import Origin, Stored, StoredStatus, StudyState, Way
from dicomnode.archive.restoring import restore
from dicomnode.dicom.header import read_header
from dicomnode.errors import ArchiveError, ConflictError
from dicomnode.settings import Settings
from tests.archives import NOW, SR, at, complete, contributing, make_file, only_sqlite, open_archive, put


def land(archive: Archive, data: bytes, seconds: float = 0, called: str = "DICOMNODE") -> Stored:
    with archive.instances.new_file() as staged:
        staged.write(data)
        origin = Origin(Way.C_STORE, "MODALITY", called, "127.0.0.1")
        return archive.instances.land(staged, read_header(BytesIO(data)), origin, at(seconds))


def killed(archive: Archive, folder: Path) -> Path:
    """What a kill at this moment leaves, somewhere else: the index, the files, and the journal that nobody holds."""
    shutil.copytree(archive._files.root, folder)
    return folder


@contextmanager
def index_stands_still(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that lands is indexed within."""
    going = threading.Event()
    index = archive.instances._backlog._index

    def waiting(batch: Sequence[Landed]) -> None:
        going.wait(60)
        index(batch)

    monkeypatch.setattr(archive.instances._backlog, "_index", waiting)
    yield
    going.set()
    archive.instances.flush()


@pytest.mark.parametrize("size", [0, 300_000])
def test_an_instance_that_landed_is_indexed_as_one_that_was_committed(archive: Archive, size: int) -> None:
    data = make_file("1.2.3.1", Rows=7, ImageComments="x" * min(size, 9000), EncapsulatedDocument=b"1" * size)
    stored = land(archive, data)
    assert (stored.status, stored.instance.sop_instance_uid) == (StoredStatus.NEW, "1.2.3.1")
    archive.instances.flush()
    assert archive.instances.get("1.2.3.1") == stored.instance
    assert stored.instance.path.read_bytes() == data
    study = archive.studies.record("1.2.3")
    assert (study.state, study.source_instances, study.first_arrival) == (StudyState.OPEN, 1, NOW)
    assert archive.studies.get("1.2.3").called_ae_titles == ("DICOMNODE",)


def test_arrivals_of_several_studies_share_batches_and_are_counted_one_by_one(archive: Archive) -> None:
    complete_study = make_file("1.2.9.1", "1.2.9")
    put(archive, complete_study)
    complete(archive, "1.2.9")
    for number in range(6):
        uid = f"1.2.{number % 2 + 3}"
        land(archive, make_file(f"{uid}.{number}", uid, InstanceNumber=number), number)
    land(archive, make_file("1.2.9.2", "1.2.9"), 20)
    land(archive, make_file("1.2.3.8", SOPClassUID=SR, Modality="SR", SeriesInstanceUID="1.2.3.7"), 30)
    archive.instances.flush()
    study = archive.studies.record("1.2.3")
    assert (study.first_arrival, study.last_arrival) == (at(0), at(4))
    assert (study.number_of_instances, study.number_of_series, study.modalities) == (4, 2, ("MR", "SR"))
    waiting = {item.study_instance_uid: item.arrivals for item in archive.studies.open_studies()}
    assert waiting == {"1.2.3": 3, "1.2.4": 3, "1.2.9": 2}
    assert [line.event for line in archive.traces.list("1.2.9")].count("reopened") == 1


def test_what_is_known_is_answered_at_once_as_ever(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    land(archive, make_file())
    assert land(archive, make_file(), 1).status is StoredStatus.DUPLICATE
    with pytest.raises(ConflictError, match="other content"):
        land(archive, make_file(Rows=9), 2)
    assert land(archive, make_file("1.2.3.2", PatientID="P2")).status is StoredStatus.QUARANTINED
    made = make_file("1.2.3.3", SOPClassUID=SR, ContributingEquipmentSequence=contributing("dicomnode"))
    assert land(archive, made).status is StoredStatus.OWN
    assert archive.instances.known("1.2.3") == {"1.2.3.1", "1.2.3.2", "1.2.3.3"}


def test_what_shows_only_in_the_index_is_kept_aside_there(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, index_url: str
) -> None:
    with open_archive(tmp_path / "data", index_url) as other, index_stands_still(archive, monkeypatch):
        land(archive, make_file("1.2.3.1"))
        land(archive, make_file("1.2.3.2"))
        land(archive, make_file("1.2.3.3", PatientID="P2"))
        land(archive, make_file("1.2.3.4"))
        put(other, make_file("1.2.3.1"))  # another process took the same one,
        put(other, make_file("1.2.3.2", Rows=9))  # and another one of that name
    assert archive.instances.get("1.2.3.2").path.read_bytes() == make_file("1.2.3.2", Rows=9)
    assert len(list((tmp_path / "data" / "conflicts").rglob("*.dcm"))) == 1
    assert [line.event for line in archive.traces.list("1.2.3")].count("conflict") == 1
    assert archive.studies.record("1.2.3").identity_conflict
    assert archive.instances.known("1.2.3") == {f"1.2.3.{number}" for number in range(1, 5)}


def test_the_same_one_twice_at_once_is_one_and_its_duplicate(archive: Archive) -> None:
    found: list[StoredStatus] = []
    threads = [threading.Thread(target=lambda: found.append(land(archive, make_file()).status)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["duplicate", "duplicate", "duplicate", "new"]


@only_sqlite
@pytest.mark.parametrize("size", [0, 300_000])
def test_a_killed_process_is_taken_over(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    data = [make_file(f"1.2.3.{number}", EncapsulatedDocument=b"1" * size) for number in range(3)]
    land(archive, data[0])
    archive.instances.flush()
    with index_stands_still(archive, monkeypatch):
        for number in (1, 2):
            land(archive, data[number], number, called="BRAIN")
        dead = killed(archive, tmp_path / "dead")
    with open_archive(dead) as survivor:
        assert survivor.instances.take_over() == 2
        assert survivor.instances.take_over() == 0
        for number in range(3):
            assert survivor.instances.get(f"1.2.3.{number}").path.read_bytes() == data[number]
        assert survivor.studies.get("1.2.3").called_ae_titles == ("DICOMNODE", "BRAIN")
        assert survivor.studies.record("1.2.3").last_arrival == at(2)
        assert list((dead / "journal").iterdir()) == []


@only_sqlite
@pytest.mark.parametrize("size", [0, 300_000])
def test_a_backup_holds_what_was_acknowledged_and_not_indexed(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    data = make_file(EncapsulatedDocument=b"1" * size)
    put(archive, make_file("1.2.3.2"))
    root = archive._files.root
    with index_stands_still(archive, monkeypatch):
        land(archive, data)
        for _ in range(2):
            back_up(f"sqlite:///{root / 'index.sqlite'}", root, tmp_path / "backup", NOW)
    restore(tmp_path / "backup", tmp_path / "restored")
    with open_archive(tmp_path / "restored") as restored:
        assert restored.instances.recover(Origin(Way.RECOVERED), at(9)) == 1
        assert restored.instances.get("1.2.3.1").path.read_bytes() == data
        assert restored.studies.get("1.2.3").called_ae_titles == ("DICOMNODE",)


@only_sqlite
def test_a_checkup_finds_the_journal_of_a_dead_process(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with index_stands_still(archive, monkeypatch):
        land(archive, make_file())
        dead = killed(archive, tmp_path / "dead")
    with open_archive(dead) as survivor:
        (dead / "staging" / f"{next((dead / 'journal').iterdir()).name}.lock").touch()
        found = [item.fault for item in survivor.checkup.look(lambda _done, _all: None)]
        assert found[0] is Fault.NOT_INDEXED
        mended = [str(item) for item in survivor.checkup.repair(NOW, lambda _done, _all: None)]
        assert "1 instance(s) indexed" in mended[0]
        assert list(survivor.checkup.look(lambda _done, _all: None)) == []
        assert survivor.instances.get("1.2.3.1").path.read_bytes() == make_file()


@only_sqlite
def test_a_file_that_a_power_cut_took_is_made_anew(archive: Archive, tmp_path: Path) -> None:
    land(archive, make_file("1.2.3.1"))
    land(archive, make_file("1.2.4.1", "1.2.4"))
    archive.instances.flush()
    assert archive.instances.exists("1.2.4.1")
    dead = killed(archive, tmp_path / "dead")
    with open_archive(dead) as survivor:
        torn = survivor.instances.get("1.2.3.1").path
        torn.write_bytes(b"")
        survivor.jobs.add_all("1.2.4", complete(survivor, "1.2.4"), [], [], NOW)
        assert survivor.retention.forget("1.2.4", at(5), (), at(5))
        survivor.instances.recover(Origin(Way.RECOVERED), at(9))
        assert torn.read_bytes() == make_file("1.2.3.1")
        assert not survivor.instances.exists("1.2.4.1")


def test_associations_of_a_dead_process_end_after_its_journal_was_taken_over(archive: Archive, tmp_path: Path) -> None:
    with closing(FileStore(tmp_path / "data")) as files:
        store = AssociationStore(archive._database, files)
        store.opened("a", NOW)
        store.touched("a", "1.2.3")
        archive._files.journal_of(files.owner).mkdir()
    assert archive.associations.close_dead(at(1)) == 0
    archive.instances.take_over()
    assert archive.associations.close_dead(at(2)) == 1


def test_an_index_that_cannot_be_written_ends_in_refusals_and_loses_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicomnode.archive.landing.backlog._MOST_WAITING", 2)
    monkeypatch.setattr("dicomnode.archive.landing.backlog._ROOM_SECONDS", 0.05)
    backlog, locked = archive.instances._backlog, threading.Event()
    index = backlog._index
    locked.set()

    def failing(batch: Sequence[Landed]) -> None:
        if locked.is_set():
            raise ArchiveError("the index stayed locked")
        index(batch)

    monkeypatch.setattr(backlog, "_index", failing)
    for number in (1, 2):
        land(archive, make_file(f"1.2.3.{number}"))
    with pytest.raises(ArchiveError, match="2 instances wait for the index"):
        land(archive, make_file("1.2.3.3"))
    locked.clear()
    archive.instances.flush()
    assert land(archive, make_file("1.2.3.3")).status is StoredStatus.NEW
    archive.instances.flush()
    assert len(archive.instances.known("1.2.3")) == 3


def test_one_that_the_index_does_not_take_is_set_aside_and_holds_up_nobody(archive: Archive) -> None:
    land(archive, make_file("1.2.3.1"))
    land(archive, make_file("1.2.3.2", InstanceNumber=10**25))
    land(archive, make_file("1.2.3.3"))
    archive.instances.flush()
    assert archive.instances.known("1.2.3") == {"1.2.3.1", "1.2.3.3"}
    assert [entry.event for entry in archive.audit.all()].count("instance not indexed") == 1


def test_the_journal_is_used_again_and_gone_after_an_orderly_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicomnode.archive.landing.journal._FIRST_SEGMENT_BYTES", 16384)
    monkeypatch.setattr("dicomnode.archive.landing.journal._LARGEST_SEGMENT_BYTES", 16384)
    with open_archive(tmp_path / "data") as archive:
        for number in range(60):
            land(archive, make_file(f"1.2.3.{number}"))
            if number % 8 == 7:
                archive.instances.flush()
                _until(lambda: archive.instances._backlog._journal.size <= 16384)  # type: ignore[union-attr]
        assert len(list((tmp_path / "data" / "journal").rglob("*.segment"))) <= 6
    with open_archive(tmp_path / "data") as archive:
        assert list((tmp_path / "data" / "journal").iterdir()) == []
        assert len(archive.instances.known("1.2.3")) == 60
        with archive._database.read() as connection:
            assert (
                connection.execute(text("SELECT count(*) FROM watermarks WHERE name LIKE 'journal%'")).scalar_one() == 0
            )


def _until(done: Callable[[], bool]) -> None:
    for _ in range(1000):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_where_nothing_landed_there_is_no_journal(archive: Archive) -> None:
    archive.instances.flush()
    put(archive, make_file())
    assert list(archive._files.journals.iterdir()) == []


def _refuse(_handle: int) -> None:
    raise OSError(5, "Input/output error")


def test_a_disk_that_refuses_a_sync_is_believed_no_more(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    land(archive, make_file("1.2.3.1"))
    monkeypatch.setattr(os, "fdatasync", _refuse)
    with pytest.raises(OSError, match="cannot be written"):
        land(archive, make_file("1.2.3.2"))
    monkeypatch.undo()
    with pytest.raises(OSError, match="cannot be written"):
        land(archive, make_file("1.2.3.3"))
    archive.instances.flush()
    assert archive.instances.known("1.2.3") == {"1.2.3.1"}


def test_what_need_not_survive_a_power_cut_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"node": {"data_dir": str(tmp_path)}, "storage": {"durable": False}}
    with Archive.open(Settings.model_validate(settings)) as archive:
        monkeypatch.setattr(os, "fdatasync", _refuse)
        land(archive, make_file())
        archive.instances.flush()
        assert archive.instances.get("1.2.3.1").path.read_bytes() == make_file()
