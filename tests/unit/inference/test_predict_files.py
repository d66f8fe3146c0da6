"""Paths on a command line become pictures and studies."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.inference.files import find_inputs, read_studies

MR = "1.2.840.10008.5.1.4.1.1.4"


def write(
    path: Path, instance: str, series: str = "1.2.1", study: str = "1.2", patient: str = "p", number: int = 1
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = MR, instance
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.PatientID, dataset.Modality, dataset.InstanceNumber = patient, "MR", number
    dataset.BodyPartExamined, dataset.SeriesNumber = "BRAIN", int(series[-1])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = MR, instance
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_folders_are_searched_and_other_files_passed_over(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "sub/c.tif", "notes.txt", "labels.csv", ".hidden.png", "DICOMDIR"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    write(tmp_path / "sub" / "image.7", "1.3")
    (tmp_path / "IM000").write_bytes(b"")
    found = find_inputs([tmp_path, tmp_path / "notes.txt", tmp_path / "b.png", tmp_path / "gone"])
    assert [path.name for path in found.pictures] == ["a.JPG", "b.png", "c.tif"]
    assert [path.name for path in found.dicom] == ["IM000", "image.7", "notes.txt"]
    assert found.missing == (tmp_path / "gone",)


def test_files_are_grouped_by_study_and_series(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "1", "1.3.1", number=2),
        write(tmp_path / "2", "1.3.2", number=1),
        write(tmp_path / "3", "1.3.3", series="1.2.0"),
        write(tmp_path / "4", "1.3.4", study="1.9", series="1.9.1"),
        write(tmp_path / "5", "1.3.1", number=2),
    ]
    (study, other), problems = read_studies(files)
    assert problems == ()
    assert (study.study_instance_uid, other.study_instance_uid) == ("1.2", "1.9")
    assert [item.series_instance_uid for item in study.series] == ["1.2.0", "1.2.1"]
    assert [item.sop_instance_uid for item in study.series[1].instances] == ["1.3.2", "1.3.1"]
    assert (study.series[1].modality, study.series[1].body_part_examined) == ("MR", "BRAIN")


@pytest.mark.parametrize("content", [b"", b"no dicom at all", b"\0" * 128 + b"DICM"])
def test_a_file_that_is_no_instance_is_a_problem_and_the_others_go_on(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.dcm").write_bytes(content)
    studies, problems = read_studies([tmp_path / "bad.dcm", write(tmp_path / "good", "1.3")])
    assert len(studies) == 1
    assert [problem.path.name for problem in problems] == ["bad.dcm"]


def test_two_patients_in_one_study_are_a_problem(tmp_path: Path) -> None:
    files = [write(tmp_path / "1", "1.3.1", patient="one"), write(tmp_path / "2", "1.3.2", patient="two")]
    studies, (problem,) = read_studies(files)
    assert studies == ()
    assert "more than one Patient ID" in problem.text
    assert "one" not in problem.text.replace("more than one", "").replace("files of one", "")
