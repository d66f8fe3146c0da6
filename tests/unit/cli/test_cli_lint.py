"""`dicomnode lint` on the node's documents, on those of others, and on what is no DICOM at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydicom import dcmread

from dicomnode.cli.main import main
from dicomnode.evidence import to_bytes
from tests.evidence_cases import documents, positive
from tests.factories import make_instance, make_series, write_instance


@pytest.fixture
def study(tmp_path: Path) -> Path:
    make_series(tmp_path / "study", 3)
    return tmp_path / "study"


@pytest.fixture
def evidence(tmp_path: Path, study: Path) -> Path:
    folder = tmp_path / "evidence"
    folder.mkdir()
    paths = sorted(study.iterdir())
    for role, dataset in documents(positive(paths), paths).items():
        (folder / f"{role}.dcm").write_bytes(to_bytes(dataset))
    return folder


def test_sound_documents_pass(evidence: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(evidence), "--source", str(study)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.rsplit(": ")[1] for line in printed] == ["pass"] * 4


def test_without_a_source_it_says_what_it_did_not_check(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(evidence / "lesions.dcm")]) == 0
    assert "not checked: no source given" in capsys.readouterr().out


def test_a_problem_is_told_and_fails(evidence: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = dcmread(evidence / "answer.dcm")
    broken.VerificationFlag = "VERIFIED"
    broken.save_as(evidence / "answer.dcm")
    assert main(["lint", str(evidence), "--source", str(study), "--json"]) == 1
    rows = {Path(row["path"]).name: row for row in json.loads(capsys.readouterr().out)}
    assert [name for name, row in rows.items() if not row["passes"]] == ["answer.dcm"]
    assert any("VerificationFlag" in problem for problem in rows["answer.dcm"]["problems"])


def test_segments_are_compared_with_the_lesions_beside_them(
    evidence: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = dcmread(evidence / "segmentation.dcm")
    broken.SegmentSequence[0].TrackingID = "Lesion 7"
    broken.save_as(evidence / "segmentation.dcm")
    assert main(["lint", str(evidence), "--source", str(study)]) == 1
    assert "segment 1 is not tracked" in capsys.readouterr().out


def test_objects_of_others_are_checked_as_far_as_that_makes_sense(
    tmp_path: Path, study: Path, evidence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = dcmread(evidence / "lesions.dcm")
    del foreign.ContributingEquipmentSequence
    foreign.SeriesDescription, foreign.VerificationFlag = "Radiologist", "VERIFIED"
    foreign.save_as(tmp_path / "foreign.dcm")
    assert main(["lint", str(tmp_path / "foreign.dcm"), "--source", str(study)]) == 0
    assert "not written by a dicomnode" in capsys.readouterr().out
    foreign.ContentSequence[0].ValueType = "SONG"
    foreign.save_as(tmp_path / "foreign.dcm")
    assert main(["lint", str(tmp_path / "foreign.dcm")]) == 1
    assert "item 1.1 has value type 'SONG'" in capsys.readouterr().out


def test_an_image_is_checked_for_what_every_object_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_instance(make_instance(PatientID=None), tmp_path)
    assert main(["lint", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "PatientID is missing" in printed
    assert "not checked: MR Image Storage" in printed


def test_what_is_not_dicom_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noise.bin").write_bytes(b"noise" * 100)
    (tmp_path / "empty.bin").write_bytes(b"")
    (tmp_path / "results.json").write_text("[]")  # written by predict beside its documents
    assert main(["lint", str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("not a readable DICOM file") == 2


def test_a_malformed_object_does_not_stop_the_others(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = evidence / "segmentation.dcm"
    number_of_frames = b"\x28\x00\x08\x00IS\x02\x00"
    file.write_bytes(file.read_bytes().replace(number_of_frames + b"3 ", number_of_frames + b"xx"))
    assert main(["lint", str(evidence)]) == 1
    printed = capsys.readouterr().out
    assert printed.count(": pass") == 3
    assert "malformed beyond examination" in printed


@pytest.mark.data
def test_segmentations_of_others_pass(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(os.environ["DICOMNODE_TEST_DATA"]) / "dicom_samples" / "highdicom"
    files = [str(path) for path in sorted(folder.glob("seg_image_*.dcm"))]
    assert len(files) >= 8
    assert main(["lint", *files]) == 0


def test_wrong_use_is_exit_status_2(tmp_path: Path, evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "note.txt").write_text("no DICOM")
    assert main(["lint", str(tmp_path / "nowhere")]) == 2
    assert main(["lint", str(tmp_path / "folder")]) == 2
    assert main(["lint", str(evidence), "--source", str(tmp_path / "note.txt")]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
