"""What may be deleted, and that neither a kill nor a second arrival turns a deletion into a loss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from dicomnode.archive import Archive, tables
from dicomnode.archive.records import DeliveryState, EvidenceState, Origin, StudyState, Way
from dicomnode.dicom.header import read_header
from dicomnode.errors import ArchiveError, ArchiveFullError
from tests import dying
from tests.archives import NOW, at, complete, make_file, open_archive, put
from tests.unit.archive.test_archive_jobs import leased, new_evidence, new_job, routed

LATER = NOW + timedelta(days=10)
OLD = NOW + timedelta(days=1)  # studies of NOW are older


def delivered(archive: Archive, state: DeliveryState = DeliveryState.DELIVERED) -> None:
    for target in ("pacs", "vna"):
        (due,) = archive.deliveries.due(target, at(20), 10)
        assert archive.deliveries.lease(due.delivery_id, "o", at(50), at(20)) is not None
        assert archive.deliveries.mark(due.delivery_id, "o", state, "0x0000", at(30), at(21))


def finished(archive: Archive, *, state: EvidenceState = EvidenceState.READY, **job: object) -> None:
    """A study with one answer that its targets have."""
    routed(archive, new_job(**job))
    assert archive.jobs.finish(leased(archive).job_id, "w1", [new_evidence(archive, state=state)], "{}", at(9))


def prove(archive: Archive, proof: str, target: str = "pacs") -> None:
    with archive._database.write() as connection:
        connection.execute(update(tables.deliveries).where(tables.deliveries.c.target == target).values(proof=proof))


def files(archive: Archive) -> list[Path]:
    root = archive._files.root
    kept = [path for name in ("instances", "evidence", "trash") for path in (root / name).rglob("*.dcm")]
    return sorted(path.relative_to(root) for path in kept)


def forget(archive: Archive, *proving: str, study: str = "1.2.3") -> bool:
    may = archive.retention.candidates(OLD, proving, 10)
    went = archive.retention.forget(study, OLD, proving, LATER)
    assert (study in may) is (went is not None)
    return went is not None


def test_a_delivered_study_goes_and_the_audit_says_so(archive: Archive) -> None:
    finished(archive)
    delivered(archive)
    assert len(files(archive)) == 2
    size = len(make_file())
    forgotten = archive.retention.forget("1.2.3", OLD, (), LATER)
    assert forgotten is not None
    assert forgotten.instances == 2 and forgotten.size > size
    assert files(archive) == []
    assert archive.studies.list() == archive.jobs.list() == archive.deliveries.list() == []
    assert not archive.instances.exists("1.2.3.1")
    entry, *_ = archive.audit.list()
    assert entry.event == "study deleted"
    assert "study 1.2.3: 2 instance(s)" in entry.detail and "delivered to pacs, vna" in entry.detail
    assert archive.instances.recover(Origin(Way.RECOVERED), LATER) == 0


def unrouted(archive: Archive) -> None:
    put(archive, make_file())
    complete(archive)


def still_open(archive: Archive) -> None:
    put(archive, make_file())


def waiting(archive: Archive) -> None:
    routed(archive)


def under_way(archive: Archive) -> None:
    routed(archive)
    leased(archive)


def refused(archive: Archive) -> None:
    finished(archive)
    delivered(archive, DeliveryState.REFUSED)


def partly_sent(archive: Archive) -> None:
    finished(archive)
    (due,) = archive.deliveries.due("pacs", at(20), 10)
    archive.deliveries.lease(due.delivery_id, "o", at(50), at(20))
    archive.deliveries.mark(due.delivery_id, "o", DeliveryState.DELIVERED, "0x0000", at(30), at(21))


def kept_back(archive: Archive) -> None:
    finished(archive, state=EvidenceState.QUARANTINED)


def nowhere_to_go(archive: Archive) -> None:
    finished(archive, targets=())


def recalled(archive: Archive) -> None:
    finished(archive)
    delivered(archive)
    with archive._database.write() as connection:
        connection.execute(update(tables.evidence).values(recall_id=1))


def in_doubt(archive: Archive) -> None:
    finished(archive)
    delivered(archive)
    put(archive, make_file("1.2.3.2", PatientID="P2"))


def late_instance(archive: Archive) -> None:
    finished(archive)
    delivered(archive)
    put(archive, make_file("1.2.3.2"), LATER)
    complete(archive, now=LATER)
    archive.jobs.add_all("1.2.3", 2, [], [], LATER)


def still_connected(archive: Archive) -> None:
    finished(archive)
    delivered(archive)
    archive.associations.opened("a1", NOW)
    archive.associations.touched("a1", "1.2.3")


def needed_as_prior(archive: Archive) -> None:
    finished(archive)
    delivered(archive)
    put(archive, make_file("1.9.1", "1.9"), LATER)
    row = {"study_instance_uid": "1.9", "prior_study_instance_uid": "1.2.3", "model_name": "m"}
    with archive._database.write() as connection:
        connection.execute(tables.priors.insert().values(state="here", status="", **row))


@pytest.mark.parametrize(
    "prepare",
    [
        unrouted,
        still_open,
        waiting,
        under_way,
        refused,
        partly_sent,
        kept_back,
        nowhere_to_go,
        recalled,
        in_doubt,
        late_instance,
        still_connected,
        needed_as_prior,
    ],
)
def test_what_is_not_finished_delivered_and_old_stays(archive: Archive, prepare: Callable[[Archive], None]) -> None:
    prepare(archive)
    before = files(archive)
    assert not forget(archive)
    assert files(archive) == before != []
    assert [entry for entry in archive.audit.list() if entry.event == "study deleted"] == []


def test_a_silent_answer_was_never_to_leave(archive: Archive) -> None:
    finished(archive, silent=True)
    assert forget(archive)


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (DeliveryState.WARNING, True),
        (DeliveryState.REPLACED, True),
        (DeliveryState.COVERED, True),
        (DeliveryState.HELD, False),
        (DeliveryState.REFUSED, False),
    ],
)
def test_what_another_object_stands_for_need_not_arrive(archive: Archive, state: DeliveryState, goes: bool) -> None:
    finished(archive)
    delivered(archive, state)
    assert forget(archive) is goes


@pytest.mark.parametrize(
    ("proof", "asked_for", "goes"),
    [
        ("none", False, True),
        ("unproven", False, True),
        ("pending", False, False),
        ("failed", False, False),
        ("committed", True, True),
        ("visible", True, True),
        ("none", True, False),
        ("unproven", True, False),
    ],
)
def test_a_proof_that_is_asked_for_counts(archive: Archive, proof: str, asked_for: bool, goes: bool) -> None:
    finished(archive)
    delivered(archive)
    prove(archive, proof)
    assert forget(archive, *(("pacs",) if asked_for else ())) is goes


def test_the_oldest_go_first(archive: Archive) -> None:
    for number, seconds in ((1, 200.0), (2, 100.0), (3, 300.0)):
        study = f"1.{number}"
        put(archive, make_file(f"{study}.1", study), at(seconds))
        complete(archive, study)
        archive.jobs.add_all(study, 1, [], [], at(seconds))
    assert archive.retention.candidates(OLD, (), 2) == ["1.2", "1.1"]


def test_a_study_that_comes_again_starts_anew_but_its_numbers_go_on(archive: Archive) -> None:
    finished(archive)
    delivered(archive)
    created = archive.results.begin("1.2.3", "brain", "i" * 64, NOW)
    assert forget(archive)
    newest = archive.evidence.previous("2.25.9")
    assert newest is not None
    assert (newest.sop_instance_uid, newest.instance_number) == ("2.25.1", 1)
    put(archive, make_file(), LATER)
    assert archive.studies.record("1.2.3").state is StudyState.OPEN
    assert complete(archive, now=LATER) == 1
    assert archive.results.begin("1.2.3", "brain", "i" * 64, LATER) == created
    assert archive.jobs.add_all("1.2.3", 1, [new_job()], [], LATER)
    job = archive.jobs.lease("w1", LATER, 60)
    assert job is not None
    assert archive.jobs.finish(job.job_id, "w1", [new_evidence(archive, "2.25.7", 2)], "{}", LATER)
    newest = archive.evidence.previous("2.25.9")
    assert newest is not None and newest.instance_number == 2


def test_an_instance_that_comes_while_its_study_goes_is_not_acknowledged(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(archive)
    delivered(archive)
    data = make_file()
    with archive.instances.new_file() as staged:
        staged.write(data)
        staged.flush()
        header = read_header(staged.path)
        keep = archive.instances._keeper.keep

        def keep_after_deletion(*arguments: object) -> object:
            assert forget(archive)
            return keep(*arguments)

        monkeypatch.setattr(archive.instances._keeper, "keep", keep_after_deletion)
        with pytest.raises(ArchiveError, match="send it again"):
            archive.instances.commit(staged, header, Origin(Way.C_STORE), LATER)
    monkeypatch.undo()
    assert put(archive, data, LATER).instance.path.exists()


def test_a_full_disk_stops_a_deletion_whole(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(archive)
    delivered(archive)
    before = files(archive)

    def full(paths: object) -> None:
        raise ArchiveFullError("no space")

    monkeypatch.setattr(archive._files, "to_trash", full)
    with pytest.raises(ArchiveFullError):
        archive.retention.forget("1.2.3", OLD, (), LATER)
    assert files(archive) == before
    assert archive.instances.get("1.2.3.1").path.exists()


# Deletes a study in a child that ends at the n-th step that touches disk or index.
DELETING = """
import os, shutil, sys
from pathlib import Path
import sqlalchemy.engine.default as default
from tests.archives import open_archive
from tests.dying import children, die_at
from tests.unit.archive.test_archive_retention import LATER, OLD, delivered, finished

root = Path(sys.argv[1])
with open_archive(root / "whole") as archive:
    finished(archive)
    delivered(archive)
for last in children(int(sys.argv[2])):
    shutil.copytree(root / "whole", root / str(last))
    archive = open_archive(root / str(last))
    die_at(last, (os, "fsync"), (Path, "replace"), (Path, "unlink"), (default.DefaultDialect, "do_commit"))
    archive.retention.forget("1.2.3", OLD, (), LATER)
    os._exit(0)
"""
STEPS = 14


def test_a_process_may_die_at_any_step(tmp_path: Path) -> None:
    dying.run(DELETING, tmp_path, STEPS)
    outcomes = set()
    for last in range(1, STEPS + 1):
        with open_archive(tmp_path / str(last)) as archive:
            archive.retention.settle()
            here = archive.instances.exists("1.2.3.1")
            assert len(files(archive)) == (2 if here else 0)
            assert archive.instances.recover(Origin(Way.RECOVERED), LATER) == 0
            assert here is not any(entry.event == "study deleted" for entry in archive.audit.list())
            if here:
                assert archive.instances.get("1.2.3.1").path.exists()
                assert forget(archive)
            outcomes.add(here)
    assert outcomes == {True, False}


def test_every_table_that_holds_a_studys_rows_is_known() -> None:
    """A new table must hold the study's UID, or refer to an evidence object, or be of no study."""
    of_no_study = {
        "associations", "results", "evidence_numbers", "watermarks", "deployments", "audit", "audit_sinks",
        "capabilities", "recalls", "intake_tallies", "node_leases", "accounts", "api_tokens", "sessions",
        "commitments", "replays", "echoes", "devices", "notifications", "figures", "device_habits",
    }  # fmt: skip
    from dicomnode.archive.retention import _OF_EVIDENCE, _OF_STUDY

    known = {table.name for table in _OF_STUDY} | {table.name for table, _ in _OF_EVIDENCE}
    assert {table.name for table in tables.metadata.sorted_tables} - known - of_no_study == set()
