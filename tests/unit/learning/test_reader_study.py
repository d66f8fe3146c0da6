"""Readings from tables and reports, laid beside the cases of a split, and the command that prints it all."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.learning.data.readings import Reading, read_readings
from dicomnode.learning.data.store import ImageStore
from dicomnode.learning.metrics.exam_metrics import BreastScores
from dicomnode.learning.reader_study import Case, beside, cases_of, named_by_study

WriteRecipe = Callable[..., Path]


def _table(path: Path, head: str, *rows: str) -> Path:
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_a_table_of_probabilities_and_categories(tmp_path: Path) -> None:
    table = _table(
        tmp_path / "r.csv", "reader,exam,breast,probability,birads", "a,e1,left,0.3,", "a,e1,R,,4A", "b,e2,l,,5"
    )

    assert read_readings(table) == (
        Reading("a", 0.3, exam="e1", side="L"),
        Reading("a", 0.06, exam="e1", side="R"),
        Reading("b", 0.975, exam="e2", side="L"),
    )


@pytest.mark.parametrize(
    ("head", "row", "message"),
    [
        ("reader,exam", "a,e1", "column probability or birads is missing"),
        ("reader,breast,birads", "a,L,1", "column image, exam or patient is missing"),
        ("reader,exam,birads", "a,e1,0", "line 2: BI-RADS category '0': is no final assessment"),
        ("reader,exam,birads", "a,e1,", "line 2: BI-RADS category ''"),
        ("reader,exam,probability", "a,e1,40", "line 2: probability '40' is no number from 0 to 1"),
        ("reader,exam,probability", "a,e1,nan", "is no number from 0 to 1"),
        ("reader,exam,breast,birads", "a,e1,both,1", "breast 'both' is none of"),
        ("reader,exam,birads", ",e1,1", "line 2: reader is empty"),
        ("reader,exam,birads", "a,e1", "another number of values"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, head: str, row: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_readings(_table(tmp_path / "r.csv", head, row))


def test_a_case_is_read_once_by_a_reader(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="line 3: this reader has assessed this case"):
        read_readings(_table(tmp_path / "r.csv", "reader,exam,birads", "a,e1,1", "a,e1,2"))


def _report(
    path: Path, study: str, reader: str, code: str, side: str, time: str = "120000", kind: str = "121006"
) -> None:
    def coded(value: str, scheme: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "meaning"
        return item

    def content(name: str, scheme: str, value: str, of: str, *children: Dataset) -> Dataset:
        item = Dataset()
        item.ConceptNameCodeSequence, item.ConceptCodeSequence = [coded(name, scheme)], [coded(value, of)]
        item.ContentSequence = list(children)
        return item

    person = Dataset()
    person.ConceptNameCodeSequence, person.PersonName = [coded("121008", "DCM")], reader
    document = Dataset()
    document.file_meta = FileMetaDataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    document.SOPClassUID, document.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.33", f"1.2.3.{time}"
    document.StudyInstanceUID, document.PatientID, document.Modality = study, f"patient {study}", "SR"
    document.ContentDate, document.ContentTime = "20260101", time
    assessment = content("111005", "DCM", code, "SCT", content("272741003", "SCT", side, "SCT"))
    document.ContentSequence = [content("121005", "DCM", kind, "DCM"), person, assessment]
    document.save_as(path, enforce_file_format=True)


def test_reports_of_a_folder_with_the_newest_of_each_reader(tmp_path: Path) -> None:
    left, right = "7771000", "24028007"
    _report(tmp_path / "a.dcm", "1.2", "Zoe", "397144001", left)
    _report(tmp_path / "b.dcm", "1.2", "Zoe", "397145000", left, time="130000")
    _report(tmp_path / "c.dcm", "1.3", "Adam", "397140005", right)
    _report(tmp_path / "d.dcm", "1.3", "A node", "397145000", right, kind="121007")
    (tmp_path / "notes.txt").write_text("no DICOM")

    assert sorted(read_readings(tmp_path), key=lambda reading: reading.reader) == [
        Reading("reader 1", 0.0, exam="1.3", patient="patient 1.3", side="R"),
        Reading("reader 2", 0.975, exam="1.2", patient="patient 1.2", side="L"),
    ]


def test_reports_without_an_assessment_say_what_is_missing(tmp_path: Path) -> None:
    _report(tmp_path / "a.dcm", "1.2", "Zoe", "4147007", "7771000")

    with pytest.raises(RecipeError, match=r"none of 1 structured reports holds a person's assessment.*111005"):
        read_readings(tmp_path)
    with pytest.raises(RecipeError, match="is missing; give a CSV file or a folder"):
        read_readings(tmp_path / "nowhere")


BREASTS = BreastScores(
    scores=np.array([[0.2, 0.9], [0.1, 0.3], [0.5, 0.2], [0.4, 0.6]]),
    truths=np.array([[False, True], [False, False], [True, False], [False, False]]),
    exams=("e1", "e1", "e2", "e2"),
    sides=("L", "R", "L", "R"),
    groups=("p1", "p1", "p2", "p2"),
    findings=(1,),
    threshold=0.5,
)


NOTHING_SHOWN = ImageStore((), torch.zeros(0, 1, 1, 1), torch.zeros(0, 4, 4))


def _beside(*readings: Reading, cases: tuple[Case, ...] | None = None) -> Any:
    return beside(cases or cases_of(BREASTS, NOTHING_SHOWN), readings, averaged=False, recall_above=0.02)


def test_breasts_of_exams() -> None:
    found = _beside(
        Reading("a", 0.8, exam="e1", side="L"),
        Reading("b", 0.4, exam="e1", side="L"),
        Reading("a", 0.1, exam="e2", side="R"),
        Reading("a", 0.1, exam="e9", side="R"),
    )

    assert (found.unit, found.unread, found.unmatched) == ("breast, by exam", 2, 1)
    assert found.study.readers == ("a", "b") and found.study.groups == ("p1", "p2")
    np.testing.assert_equal(found.study.readings, [[0.8, 0.1], [0.4, np.nan]])
    assert found.study.model.tolist() == [0.9, 0.6] and found.study.positive.tolist() == [True, False]


def test_whole_exams_by_patient_take_the_higher_breast() -> None:
    found = _beside(Reading("a", 0.8, exam="1.2.3", patient="p1"), Reading("a", 0.1, exam="1.2.4", patient="p2"))

    assert (found.unit, found.study.model.tolist()) == ("patient", [0.9, 0.6])
    assert found.study.positive.tolist() == [True, False]


def test_readings_that_fit_nothing_are_refused() -> None:
    with pytest.raises(RecipeError, match="none is of a case of this split; the data set names its cases by exam or"):
        _beside(Reading("a", 0.8, exam="other", side="L"))
    with pytest.raises(RecipeError, match="some name a breast and some do not"):
        _beside(Reading("a", 0.8, exam="e1", side="L"), Reading("a", 0.8, exam="e2"))
    twice = tuple(Case({"image": "", "exam": exam, "patient": "p"}, "L", 0.5, True, "p") for exam in ("e1", "e2"))
    with pytest.raises(RecipeError, match="a patient of this split has several exams"):
        _beside(Reading("a", 0.8, patient="p"), cases=twice)
    with pytest.raises(RecipeError, match="a has assessed a patient twice"):
        _beside(Reading("a", 0.8, exam="x", patient="p1"), Reading("a", 0.1, exam="y", patient="p1"))
    pictures = (Case({"image": "1.png", "exam": "", "patient": ""}, "", 0.5, True, "1.png"),)
    with pytest.raises(RecipeError, match="the data set does not say which breast"):
        _beside(Reading("a", 0.8, image="1.png", side="L"), cases=pictures)


def test_readings_of_other_splits_may_be_of_another_kind() -> None:
    found = _beside(Reading("a", 0.8, exam="e1", side="L"), Reading("a", 0.8, exam="other"))

    assert (found.unit, found.unmatched) == ("breast, by exam", 1)


def test_exams_of_dicom_files_are_named_by_their_study_too(tmp_path: Path) -> None:
    _report(tmp_path / "image.dcm", "1.2.840.7", "any", "397140005", "7771000")
    cases = tuple(
        Case({"image": "", "exam": "e1", "patient": "p"}, s, 0.5, s == "L", "p", tmp_path / "image.dcm") for s in "LR"
    )
    drawn = Case({"image": "", "exam": "e2", "patient": "q"}, "L", 0.5, True, "q", tmp_path / "image.png")

    found = _beside(Reading("a", 0.3, exam="1.2.840.7", side="R"), cases=named_by_study((*cases, drawn)))
    assert (found.unit, found.study.positive.tolist(), found.unread) == ("breast, by exam", [False], 2)


def _readers(pictures: Path, out: Path) -> Path:
    """Two simulated readers of the splits valid and test: one is always right, one sometimes."""
    random = np.random.default_rng(0)
    with (pictures / "labels.csv").open() as lines, out.open("w", newline="") as table:
        rows = [row for row in csv.DictReader(lines) if row["split"] != "train"]
        writer = csv.writer(table)
        writer.writerow(["reader", "image", "probability", "birads"])
        for row in rows:
            writer.writerow(["sure", row["path"], "", "5" if row["label"] == "tumour" else "1"])
            writer.writerow(["unsure", row["path"], f"{random.uniform():.2f}", ""])
    return out


def test_the_command_prints_readers_model_and_hybrid(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "out", tmp_path / "report"
    train = ["train", str(write_recipe()), "--data", str(pictures), "--out", str(out), "--device", "cpu"]
    assert main([*train, "--budget-minutes", "0"]) == 0
    readers = _readers(pictures, tmp_path / "readers.csv")
    command = ["evaluate", str(out / "bundle" / "tiny_classifier"), "--data", str(pictures), "--device", "cpu"]
    command += ["--readers", str(readers)]
    capsys.readouterr()

    assert main([*command, "--report", str(report), "--lambda", "0.75"]) == 0
    printed = capsys.readouterr().out
    assert "2 readers, 8 cases (unit: image), 4 positive" in printed and "4B: 0.3" in printed
    assert "hybrid: 0.75 x reader + 0.25 x model; lambda given" in printed and "hybrid 0.891" in printed
    study = json.loads((report / "report.json").read_text())["readers"]
    assert study["by_reader"]["sure"]["auc"] == 1 and study["unmatched"] == 2 * 8
    assert set(study["hybrid"]) == {"auc", "pr_auc", "specificity", "intervals"}
    page = (report / "report.html").read_text()
    assert "The reader beside the model" in page and (report / "plots" / "readers_roc.svg").is_file()

    assert main([*command, "--lambda", "valid", "--json"]) == 0
    study = json.loads(capsys.readouterr().out)["readers"]
    assert 0 <= study["weight"] <= 1 and study["weight_chosen"] == "of the highest AUC on split valid"
    assert main([*command, "--lambda", "2"]) == 2
