"""Arrival: durable, once, and under the right patient."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import Kind, Origin, QidoQuery, StoredStatus, StudyState, Way
from dicomnode.archive.staged import StagedFile
from dicomnode.dicom.header import read_header
from dicomnode.errors import ArchiveFullError, ConflictError, NotFoundError
from tests.archives import NOW, SR, at, complete, contributing, make_file, open_archive, put


def test_an_instance_is_kept_as_it_came_and_indexed(archive: Archive) -> None:
    data = make_file()
    stored = put(archive, data)
    assert stored.status is StoredStatus.NEW
    assert stored.study_generation == 0
    assert stored.instance.path.read_bytes() == data
    assert archive.instances.get("1.2.3.1") == stored.instance
    record = archive.studies.record("1.2.3")
    assert (record.state, record.source_instances, record.modalities) == (StudyState.OPEN, 1, ("MR",))
    assert record.attributes.patient_name == "Doe^Jane"


def test_no_path_is_made_from_what_a_sender_wrote(archive: Archive, tmp_path: Path) -> None:
    stored = put(archive, make_file(PatientID="../../P1"))
    assert stored.instance.path.parent.parent == tmp_path / "data" / "instances"
    assert "1.2.3" not in str(stored.instance.path.relative_to(tmp_path))


def test_text_that_no_database_takes_is_marked_and_the_bytes_stay(archive: Archive) -> None:
    data = make_file(StudyDescription="left\0knee", PatientID="P\0A")
    stored = put(archive, data)
    assert stored.instance.path.read_bytes() == data
    known = archive.studies.record("1.2.3").attributes
    assert (known.study_description, known.patient_id) == ("left\ufffdknee", "P\ufffdA")
    assert put(archive, make_file("1.2.3.2", PatientID="PA")).status is StoredStatus.QUARANTINED


def test_the_data_folder_can_be_moved(archive: Archive, tmp_path: Path, index_url: str) -> None:
    put(archive, make_file())
    archive.close()
    (tmp_path / "data").rename(tmp_path / "moved")
    with open_archive(tmp_path / "moved", index_url) as moved:
        assert moved.instances.get("1.2.3.1").path.is_file()


def test_nothing_is_left_of_a_file_that_was_not_taken(archive: Archive, tmp_path: Path) -> None:
    with archive.instances.new_file() as staged:
        staged.write(b"half of")
    assert not [
        path for path in (tmp_path / "data" / "staging").rglob("*") if path.is_file() and "lock" not in path.name
    ]


def test_the_same_bytes_again_are_kept_once(archive: Archive, tmp_path: Path) -> None:
    put(archive, make_file())
    again = put(archive, make_file(), at(1))
    assert again.status is StoredStatus.DUPLICATE
    assert archive.studies.open_studies()[0].arrivals == 1
    assert len(list((tmp_path / "data" / "instances").rglob("*.dcm"))) == 1


@pytest.mark.parametrize("patient", ["P1", "P2"], ids=["in use", "kept aside"])
def test_the_same_bytes_again_heal_a_lost_file(archive: Archive, tmp_path: Path, patient: str) -> None:
    put(archive, make_file("1.2.3.5"))
    data = make_file(PatientID=patient)
    path = put(archive, data).instance.path
    path.unlink()
    again = put(archive, data, at(1))
    assert (again.status, again.instance.path) == (StoredStatus.DUPLICATE, path)
    assert path.read_bytes() == data
    assert len(list((tmp_path / "data").rglob("*.dcm"))) == 2


def test_the_same_content_with_other_file_meta_is_kept_once(archive: Archive, tmp_path: Path) -> None:
    first = put(archive, make_file(source="CT1"))
    again = put(archive, make_file(source="PACS"))
    assert again.status is StoredStatus.DUPLICATE
    assert again.instance == first.instance
    assert list((tmp_path / "data" / "instances").rglob("*.dcm")) == [first.instance.path]


def test_other_content_under_the_same_uid_is_refused_and_kept_aside(archive: Archive, tmp_path: Path) -> None:
    first = put(archive, make_file())
    changed = make_file(InstanceNumber=7)
    with pytest.raises(ConflictError, match=r"1\.2\.3\.1 is here already with other content"):
        put(archive, changed)
    assert archive.instances.get("1.2.3.1") == first.instance
    (aside,) = (tmp_path / "data" / "conflicts").rglob("*.dcm")
    assert aside.read_bytes() == changed
    assert archive.audit.list()[0].event == "instance conflict"


def test_another_patient_in_the_study_is_kept_aside_and_marks_the_study(archive: Archive) -> None:
    put(archive, make_file())
    complete(archive)
    stored = put(archive, make_file("1.2.3.2", PatientID="P2"), at(5))
    assert stored.status is StoredStatus.QUARANTINED
    assert stored.instance.path.parts[-3] == "quarantine"
    record = archive.studies.record("1.2.3")
    assert record.identity_conflict is not None and "P2" not in record.identity_conflict
    assert record.state is StudyState.OPEN
    assert record.source_instances == 1
    assert [i.sop_instance_uid for s in archive.studies.get("1.2.3").series for i in s.instances] == ["1.2.3.1"]
    assert put(archive, make_file("1.2.3.2", PatientID="P2"), at(6)).status is StoredStatus.DUPLICATE
    with pytest.raises(NotFoundError):
        archive.instances.get("1.2.3.2")
    assert len(archive.studies.search_instances(QidoQuery())) == 1


def test_other_issuers_of_the_same_patient_id_are_other_patients(archive: Archive) -> None:
    put(archive, make_file(IssuerOfPatientID="EAST"))
    assert put(archive, make_file("1.2.3.2")).status is StoredStatus.NEW
    assert put(archive, make_file("1.2.3.3", IssuerOfPatientID="WEST")).status is StoredStatus.QUARANTINED


def test_a_late_image_reopens_its_study(archive: Archive) -> None:
    put(archive, make_file())
    assert complete(archive, now=at(10)) == 1
    put(archive, make_file("1.2.3.2"), at(20))
    record = archive.studies.record("1.2.3")
    assert (record.state, record.generation, record.first_arrival) == (StudyState.OPEN, 1, at(20))
    assert complete(archive, now=at(40)) == 2
    assert [line.event for line in archive.traces.list("1.2.3")] == ["complete", "reopened", "complete"]


@pytest.mark.parametrize(
    ("attributes", "status", "kind"),
    [
        ({"SOPClassUID": SR, "Modality": "SR"}, StoredStatus.NEW, Kind.DOCUMENT),
        (
            {"SOPClassUID": SR, "Modality": "SR", "ContributingEquipmentSequence": contributing("dicomnode")},
            StoredStatus.OWN,
            Kind.OWN,
        ),
    ],
)
def test_documents_are_kept_and_reopen_nothing(
    archive: Archive, attributes: dict[str, object], status: StoredStatus, kind: Kind
) -> None:
    put(archive, make_file())
    complete(archive)
    stored = put(archive, make_file("1.2.3.2", SeriesInstanceUID="1.2.3.8", **attributes), at(30), called="OTHER")
    assert stored.status is status
    record = archive.studies.record("1.2.3")
    assert (record.state, record.generation, record.number_of_instances) == (StudyState.COMPLETE, 1, 2)
    assert {row.kind for row in archive.studies.search_instances(QidoQuery())} == {Kind.SOURCE, kind}
    study = archive.studies.get("1.2.3")
    assert len(study.series) == (1 if kind is Kind.OWN else 2)
    assert study.called_ae_titles == ("DICOMNODE",)


def test_a_study_of_documents_alone_awaits_nothing(archive: Archive) -> None:
    put(archive, make_file(SOPClassUID=SR))
    assert archive.studies.open_studies() == []
    assert archive.jobs.unrouted() == []
    put(archive, make_file("1.2.3.2"), at(9))
    assert archive.studies.open_studies()[0].first_arrival == at(9)


def test_the_ae_titles_of_a_study_are_those_its_images_came_by(archive: Archive) -> None:
    put(archive, make_file())
    put(archive, make_file(), at(1), called="BRAIN")
    study = archive.studies.get("1.2.3")
    assert study.called_ae_titles == ("DICOMNODE", "BRAIN")
    assert study.calling_ae_titles == ("MODALITY",)


def test_a_study_lists_series_and_instances_in_their_order(archive: Archive) -> None:
    put(archive, make_file("1.2.3.1", SeriesInstanceUID="1.2.3.8", SeriesNumber=2, InstanceNumber=10))
    put(archive, make_file("1.2.3.2", SeriesInstanceUID="1.2.3.8", SeriesNumber=2, InstanceNumber=9))
    put(archive, make_file("1.2.3.3", SeriesInstanceUID="1.2.3.9", SeriesNumber=1, BodyPartExamined="BRAIN"))
    series = archive.studies.get("1.2.3").series
    assert [item.series_number for item in series] == [1, 2]
    assert series[0].body_part_examined == "BRAIN"
    assert [item.sop_instance_uid for item in series[1].instances] == ["1.2.3.2", "1.2.3.1"]


def test_a_full_disk_is_a_refusal_for_now(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    with archive.instances.new_file() as staged, Path("/dev/full").open("wb", buffering=0) as full:
        staged.close()
        monkeypatch.setattr(staged, "_file", full)
        with pytest.raises(ArchiveFullError, match="free some disk"):
            staged.write(b"x" * 4096)


def test_the_last_space_is_kept_for_the_nodes_own_answers(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicomnode.archive.files.RESERVE_BYTES", 1 << 60)
    with pytest.raises(ArchiveFullError, match="MiB of disk are left"):
        archive.instances.new_file()
    assert archive.evidence.write_file(make_file(), "1.2.3.1").is_file()


def test_a_complete_study_that_is_sent_elsewhere_says_why_nothing_happens(archive: Archive) -> None:
    put(archive, make_file())
    complete(archive)
    put(archive, make_file(), at(5), called="BRAIN")
    put(archive, make_file(), at(6), called="BRAIN")
    lines = [line.text for line in archive.traces.list("1.2.3") if line.event == "sent again"]
    assert lines == ["sent again by c-store to AE title BRAIN: instances that are here already start no new analysis"]


def test_a_killed_process_leaves_nothing_half_done(archive: Archive, tmp_path: Path) -> None:
    data = make_file()
    origin = Origin(Way.RECOVERED)
    store = archive.instances
    with store.new_file() as staged:
        staged.write(data)
        named = archive._files.keep(staged, "instances")  # as if killed before the index was written
    dead = tmp_path / "data" / "staging" / "0123456789abcdef"
    dead.mkdir()
    (dead / "unfinished").write_bytes(b"x")
    with store.new_file() as alive:
        alive.write(b"still arriving")
        alive.flush()
        assert store.recover(origin, NOW) == 1
        assert alive.path.exists()
    assert not dead.exists()
    assert store.get("1.2.3.1").path == tmp_path / "data" / named
    assert store.recover(origin, NOW) == 0
    assert put(archive, data).status is StoredStatus.DUPLICATE
    assert archive.studies.get("1.2.3").called_ae_titles == ("DICOMNODE",)


def test_recovery_leaves_alone_what_it_cannot_read(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "instances" / "ab"
    folder.mkdir()
    (folder / f"{'ab' * 32}.dcm").write_bytes(b"")
    (folder / "notes.txt").write_text("by hand")
    assert archive.instances.recover(Origin(Way.RECOVERED), NOW) == 0
    assert len(list(folder.iterdir())) == 2


def test_unknown_instances_and_studies_are_said_to_be_unknown(archive: Archive) -> None:
    assert not archive.instances.exists("1.2.3.1")
    with pytest.raises(NotFoundError, match=r"instance 1\.2\.3\.1 is not in the archive"):
        archive.instances.get("1.2.3.1")
    with pytest.raises(NotFoundError, match=r"study 1\.2\.3 is not in the archive"):
        archive.studies.get("1.2.3")


def test_a_digest_grows_with_the_file(tmp_path: Path) -> None:
    data = make_file()
    with StagedFile(lambda: tmp_path / "staged") as staged:
        staged.write(data[:100])
        staged.write(memoryview(data)[100:])
        staged.flush()
        assert read_header(staged.path) == read_header(BytesIO(data))
