"""Backups: one state, every file of it, verified; restored whole or not at all."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from dicomnode.archive.backup import Manifest, back_up
from dicomnode.archive.records import DeliveryState, JobKind, NewEvidence, NewJob
from dicomnode.archive.restoring import restore
from dicomnode.errors import ArchiveError, SettingsError
from dicomnode.settings import NodeSettings, Settings
from tests.archives import NOW, SR, at, complete, make_file, open_archive, put


@pytest.fixture
def node(tmp_path):
    """A node with a study, an answer that was delivered to one target and waits for another."""
    with open_archive(tmp_path / "node") as archive:
        put(archive, make_file())
        put(archive, make_file("1.2.3.2"))
        generation = complete(archive)
        job = NewJob("brain", "d" * 64, JobKind.INFER, "fits", ("1.2.3.9",), ("pacs", "vna"), False)
        archive.jobs.add_all("1.2.3", generation, [job], [], NOW)
        leased = archive.jobs.lease("w", NOW, 60)
        path = archive.evidence.write_file(make_file("2.25.7", SOPClassUID=SR), "2.25.7")
        evidence = NewEvidence("2.25.7", SR, "2.25.6", "1.2.3", "brain", "answer", path, 1)
        archive.jobs.finish(leased.job_id, "w", [evidence], "{}", at(1))
        [delivery] = archive.deliveries.due("pacs", at(1), 9)
        archive.deliveries.lease(delivery.delivery_id, "o", at(60), at(1))
        archive.deliveries.mark(delivery.delivery_id, "o", DeliveryState.DELIVERED, "0x0000", at(2), at(2))
        yield archive


def url_of(folder: Path) -> str:
    return Settings(node=NodeSettings(data_dir=folder)).database_url


def run(tmp_path: Path, **options: bool) -> Manifest:
    return back_up(url_of(tmp_path / "node"), tmp_path / "node", tmp_path / "backup", NOW, **options)


@pytest.mark.parametrize("hard_links", [False, True])
def test_a_restored_node_has_everything_and_sends_only_what_was_not_delivered(node, tmp_path, hard_links):
    manifest = run(tmp_path, hard_links=hard_links)
    assert (manifest.studies, manifest.instances, manifest.evidence, manifest.deliveries) == (1, 3, 1, 2)
    assert (manifest.files, manifest.copied) == (3, 3)
    assert restore(tmp_path / "backup", tmp_path / "new") == manifest
    with open_archive(tmp_path / "new") as restored:
        assert restored.deliveries.due("pacs", at(99), 9) == []
        assert len(restored.deliveries.due("vna", at(99), 9)) == 1
        assert restored.instances.get("1.2.3.2").path.read_bytes() == make_file("1.2.3.2")
        assert restored.evidence.get("2.25.7").path.exists()
        assert put(restored, make_file()).status == "duplicate"


def test_a_second_run_copies_what_is_new(node, tmp_path):
    run(tmp_path)
    put(node, make_file("1.2.3.3"), at(5))
    manifest = run(tmp_path)
    assert (manifest.files, manifest.copied) == (4, 1)
    assert len(list((tmp_path / "backup").glob("index-*"))) == 1
    restore(tmp_path / "backup", tmp_path / "new")
    with open_archive(tmp_path / "new") as restored:
        assert restored.instances.exists("1.2.3.3")


def test_conflicts_are_kept_too(node, tmp_path):
    from dicomnode.errors import ConflictError

    with pytest.raises(ConflictError):
        put(node, make_file(PatientComments="other"))
    assert run(tmp_path).others >= 1
    restore(tmp_path / "backup", tmp_path / "new")
    assert len(list((tmp_path / "new" / "conflicts").rglob("*.dcm"))) == 1


def test_every_row_has_its_file_while_instances_arrive(node, tmp_path):
    stop, count = threading.Event(), [0]

    def receive() -> None:
        while not stop.is_set() and count[0] < 500:
            put(node, make_file(f"1.2.3.100.{count[0]}"), at(count[0]))
            count[0] += 1

    sender = threading.Thread(target=receive)
    sender.start()
    try:
        manifests = [run(tmp_path) for _ in range(3)]
    finally:
        stop.set()
        sender.join()
    assert manifests[0].instances <= manifests[2].instances
    restore(tmp_path / "backup", tmp_path / "new")  # checks every digest
    with open_archive(tmp_path / "new") as restored:
        assert len(restored.instances.known("1.2.3")) == manifests[2].instances


def test_a_file_that_retention_took_away_makes_a_new_copy_of_the_index(node, tmp_path, monkeypatch):
    from sqlalchemy import delete

    from dicomnode.archive import backup, tables
    from dicomnode.archive.database import Database

    gone = node.instances.get("1.2.3.2").path
    first = backup._copy_all

    def copy_all(*given):
        if gone.exists():
            gone.unlink()
            database = Database(url_of(tmp_path / "node"))
            with database.write() as connection:
                rows = tables.instances
                connection.execute(delete(rows).where(rows.c.sop_instance_uid == "1.2.3.2"))
            database.close()
        return first(*given)

    monkeypatch.setattr(backup, "_copy_all", copy_all)
    assert run(tmp_path).instances == 2


def test_a_damaged_file_stops_a_backup(node, tmp_path):
    path = node.instances.get("1.2.3.1").path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArchiveError, match="not what the index says"):
        run(tmp_path)
    with pytest.raises(ArchiveError, match="no finished backup"):
        restore(tmp_path / "backup", tmp_path / "new")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def _file(backup: Path) -> Path:
    return next((backup / "files" / "instances").rglob("*.dcm"))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda backup: _flip(_file(backup)), "digest"),
        (lambda backup: _file(backup).unlink(), "missing"),
        (lambda backup: _flip(next(backup.glob("index-*"))), "index"),
        (lambda backup: (backup / "files.sha256").write_text(""), "lists 0 files"),
        (lambda backup: (backup / "files.sha256").write_text("0" * 64 + "  files/../../x\n"), "outside"),
        (lambda backup: (backup / "backup.json").write_text("{"), "no finished backup"),
    ],
)
def test_a_damaged_backup_restores_nothing(node, tmp_path, harm, said):
    run(tmp_path)
    harm(tmp_path / "backup")
    with pytest.raises(ArchiveError, match=said):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "new.restoring").exists()


def test_a_folder_that_holds_something_is_left_alone(node, tmp_path):
    run(tmp_path)
    with pytest.raises(SettingsError, match="not empty"):
        restore(tmp_path / "backup", tmp_path / "node")


def test_a_backup_into_the_nodes_own_folder_is_refused(node, tmp_path):
    with pytest.raises(SettingsError, match="another place"):
        back_up(url_of(tmp_path / "node"), tmp_path / "node", tmp_path / "node" / "backup", NOW)


def test_the_list_of_digests_is_one_that_sha256sum_reads(node, tmp_path):
    run(tmp_path)
    lines = (tmp_path / "backup" / "files.sha256").read_text().splitlines()
    assert all(len(line.split("  ")[0]) == 64 for line in lines)
    assert json.loads((tmp_path / "backup" / "backup.json").read_text())["files"] == len(lines)
