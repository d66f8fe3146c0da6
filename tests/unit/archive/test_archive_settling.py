"""Settling whose a study is, where its instances name different patients."""

from __future__ import annotations

import pytest
from pydicom import dcmread

from dicomnode.archive.records import Kind, StoredStatus, StudyState
from dicomnode.dicom.header import read_header
from dicomnode.errors import NotFoundError, UsageError
from dicomnode.jobs.publishing import write_answer
from tests.archives import SR, at, complete, make_file, open_archive, put
from tests.evidence_cases import positive
from tests.factories import make_series


@pytest.fixture
def archive(tmp_path):
    with open_archive(tmp_path / "node") as opened:
        yield opened


@pytest.fixture
def files(tmp_path):
    """Three slices of P1, and two of the same series that name P2."""
    whose = [("P1", "Doe^Jane", 5), ("P2", "Roe^Jane", 5)]
    made = {name: make_series(tmp_path / name, n, PatientID=name, PatientName=pn) for name, pn, n in whose}
    return made["P1"][:3] + made["P2"][3:]


@pytest.fixture
def study(archive, files):
    stored = [put(archive, path.read_bytes()).status for path in files]
    assert stored == [StoredStatus.NEW] * 3 + [StoredStatus.QUARANTINED] * 2
    uid = read_header(files[0]).study_instance_uid
    complete(archive, uid)
    return uid


def paths_of(archive, study):
    return [item.path for series in archive.studies.get(study).series for item in series.instances]


def answered(archive, study):
    """The identity in every document of an answer, all of which pass the gate."""
    complete(archive, study, at(9))
    paths = paths_of(archive, study)
    answer = write_answer(archive, archive.studies.get(study), positive(paths), "{}", "DICOMNODE")
    assert [item.reason for item in answer.evidence if item.reason] == []
    documents = [dcmread(item.path) for item in answer.evidence]
    return {(str(document.PatientID), str(document.PatientName)) for document in documents}


def test_a_conflict_is_listed_with_the_patients_who_are_named(archive, study):
    [(uid, reason)] = archive.settling.conflicts()
    assert uid == study
    assert "another Patient ID" in reason
    named = archive.settling.identities(study)
    assert [(item.patient_id, item.patient_name, len(item.instances), item.aside) for item in named] == [
        ("P1", "Doe^Jane", 3, 0),
        ("P2", "Roe^Jane", 2, 2),
    ]


def test_instances_of_somebody_else_stay_aside_and_the_study_goes_on(archive, files, study):
    assert archive.settling.settle(study, None, release=False, now=at(5)) == 2
    assert archive.settling.conflicts() == []
    record = archive.studies.record(study)
    assert (record.state, record.source_instances) == (StudyState.OPEN, 3)
    assert answered(archive, study) == {("P1", "Doe^Jane")}
    assert archive.audit.list()[0].event == "identity settled"
    assert "P2" not in archive.audit.list()[0].detail
    assert archive.settling.identities(study)[1].aside == 2
    for path in files[3:]:
        assert put(archive, path.read_bytes()).status is StoredStatus.DUPLICATE
    with pytest.raises(NotFoundError):
        archive.instances.get(read_header(files[4]).sop_instance_uid)


def test_instances_of_the_same_person_are_used_and_the_results_name_one_patient(archive, files, study):
    assert archive.settling.settle(study, None, release=True, now=at(5)) == 2
    assert answered(archive, study) == {("P1", "Doe^Jane")}
    kept = sorted(path.read_bytes() for path in paths_of(archive, study))
    assert kept == sorted(path.read_bytes() for path in files), "files stay as they came"


def test_the_patient_of_the_instances_aside_may_be_the_right_one(archive, files, study):
    right = read_header(files[4]).sop_instance_uid
    assert archive.settling.settle(study, right, release=True, now=at(5)) == 3
    assert archive.studies.record(study).attributes.patient_id == "P2"
    assert answered(archive, study) == {("P2", "Roe^Jane")}


def test_the_former_instances_are_kept_aside_if_so_decided(archive, files, study):
    right = read_header(files[4]).sop_instance_uid
    assert archive.settling.settle(study, right, release=False, now=at(5)) == 3
    assert answered(archive, study) == {("P2", "Roe^Jane")}
    assert len(paths_of(archive, study)) == 2
    kinds = [(item.instances, item.aside) for item in archive.settling.identities(study)]
    assert sorted(aside for _, aside in kinds) == [0, 3]
    assert Kind.DISCARDED == "discarded"


def test_a_wrong_decision_is_refused_and_changes_nothing(archive, files, study):
    with pytest.raises(NotFoundError):
        archive.settling.settle(study, "9.9.9", release=True, now=at(5))
    with pytest.raises(NotFoundError):
        archive.settling.settle("9.9.9", None, release=True, now=at(5))
    assert len(archive.settling.conflicts()) == 1


def test_a_study_is_never_left_without_an_image(archive, study, files):
    other = read_header(files[4]).sop_instance_uid
    archive.settling.settle(study, other, release=False, now=at(5))
    report = make_file("1.2.3.77", study, SOPClassUID=SR, PatientID="P3")
    assert put(archive, report).status is StoredStatus.QUARANTINED
    with pytest.raises(UsageError, match="no image"):
        archive.settling.settle(study, "1.2.3.77", release=False, now=at(6))
    assert archive.studies.record(study).attributes.patient_id == "P2"
