"""What is taken from the sources, whatever state they are in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomnode.errors import InputError
from dicomnode.evidence import (
    check,
    to_bytes,
)
from dicomnode.evidence.gate.subject import children, concept, descendants
from dicomnode.evidence.stamp import local_time
from dicomnode.findings import Outcome
from tests.evidence_cases import (
    CREATED,
    built,
    codes,
    documents,
    headers,
    positive,
    read_back,
    unanswered,
)
from tests.factories import make_instance, make_series, write_instance


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return make_series(tmp_path, 5)


def test_unanswered_result_cites_what_is_there(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2)
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(paths[0].read_bytes()[:200])
    (tmp_path / "noise.dcm").write_bytes(b"no DICOM at all")
    dataset = documents(unanswered(paths, Outcome.REFUSED), [broken, tmp_path / "noise.dcm", *paths])["answer"]
    series = dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert len(series.ReferencedSOPSequence) == 2


def test_study_without_images_is_cited_as_composite_objects(tmp_path: Path) -> None:
    waveform = make_instance(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1", Modality="ECG", Rows=None, PixelData=None)
    path = write_instance(waveform, tmp_path)
    made = documents(unanswered([path], Outcome.OUT_OF_SCOPE), [path])
    kinds = {item.ValueType for _, _, item in descendants(made["answer"]) if "ReferencedSOPSequence" in item}
    assert kinds == {"COMPOSITE"}
    assert all(check(read_back(dataset), headers([path])) == () for dataset in made.values())


def test_private_sop_class_is_cited_as_it_is(tmp_path: Path) -> None:
    path = write_instance(make_instance(SOPClassUID="1.2.3.4.5.6"), tmp_path)
    made = documents(unanswered([path], Outcome.OUT_OF_SCOPE), [path])
    assert all(check(read_back(dataset), headers([path])) == () for dataset in made.values())


def test_no_readable_source_is_an_error(tmp_path: Path, paths: list[Path]) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(bytes(300))
    with pytest.raises(InputError, match="none of its 1 files can be read"):
        built(unanswered(paths, Outcome.FAILED), [broken])


def test_image_that_is_not_among_the_sources_is_an_error(paths: list[Path]) -> None:
    with pytest.raises(InputError, match=r"which is not among the source files"):
        built(positive(paths), paths[:-1])


def test_source_that_lacks_everything_optional_still_gets_its_documents(tmp_path: Path) -> None:
    lacking = dict.fromkeys(
        (
            "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
            "AccessionNumber", "ReferringPhysicianName", "SliceThickness", "SeriesNumber", "InstanceNumber",
            "Manufacturer", "SpecificCharacterSet", "StudyDescription",
        )
    )  # fmt: skip
    paths = make_series(tmp_path, 3, **lacking)
    made = documents(positive(paths), paths)
    assert set(made) == {"answer", "text", "lesions", "segmentation"}
    assert all(check(read_back(dataset), headers(paths)) == () for dataset in made.values())


@pytest.mark.filterwarnings("ignore:(Invalid value|The value length):UserWarning")
def test_invalid_dates_and_sex_of_the_source_are_left_empty(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2, PatientBirthDate="1970.01.01", StudyTime="10h", PatientSex="W", PatientAge="42")
    for dataset in documents(positive(paths), paths).values():
        assert (dataset.PatientBirthDate, dataset.StudyTime, dataset.PatientSex) == ("", "", "")
        assert not dataset.PatientAge
        assert check(read_back(dataset), headers(paths)) == ()


def test_exam_is_the_source_s_procedure_where_it_is_coded(tmp_path: Path) -> None:
    procedure = Dataset()
    procedure.CodeValue, procedure.CodingSchemeDesignator, procedure.CodeMeaning = "X1", "99LOCAL", "Head MR"
    paths = make_series(tmp_path, 2, ProcedureCodeSequence=[procedure])
    made = documents(positive(paths), paths)
    assert codes(made["answer"], "Procedure reported") == codes(made["text"], "Procedure reported") == ["X1"]


def test_incomplete_items_of_the_source_s_sequences_stay_behind(tmp_path: Path) -> None:
    complete, incomplete, coded = Dataset(), Dataset(), Dataset()
    complete.PatientID, complete.TypeOfPatientID, incomplete.PatientID = "OTHER-1", "TEXT", "OTHER-2"
    complete.private_block(0x0011, "SOMEONE", create=True).add_new(0x01, "LO", "private")
    coded.CodeMeaning = "no value"
    sequences = {"OtherPatientIDsSequence": [complete, incomplete], "ProcedureCodeSequence": [coded]}
    paths = make_series(tmp_path, 2, **sequences)
    for dataset in documents(positive(paths), paths).values():
        assert [item.PatientID for item in dataset.OtherPatientIDsSequence] == ["OTHER-1"]
        assert "ProcedureCodeSequence" not in dataset
        assert check(read_back(dataset), headers(paths)) == ()


def test_exam_follows_the_modality_otherwise(paths: list[Path]) -> None:
    assert codes(documents(positive(paths), paths)["answer"], "Procedure reported") == ["25056-3"]


def test_content_time_is_the_result_s_on_the_study_s_clock(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2, TimezoneOffsetFromUTC="-0330")
    for dataset in documents(positive(paths), paths).values():
        assert (dataset.ContentDate, dataset.ContentTime) == ("20260102", "074213")
        assert dataset.TimezoneOffsetFromUTC == "-0330"
    assert local_time(CREATED, "+0530").utcoffset() == timedelta(hours=5, minutes=30)
    assert local_time(CREATED, "") == CREATED == datetime(2026, 1, 2, 11, 12, 13, tzinfo=UTC)


def test_library_groups_images_by_series(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "a", 2) + make_series(tmp_path / "b", 3, series="other", shape=(8, 8))
    dataset = documents(unanswered(paths, Outcome.REFUSED), paths)["answer"]
    library = next(item for item in children(dataset) if concept(item)[2] == "Image Library")
    images = [sum(item.ValueType == "IMAGE" for item in children(group)) for group in children(library)]
    assert images == [2, 3]


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Люксембург^Роза"),
        ("ISO_IR 126", "Διονυσιος^Νικος"),
        ("ISO_IR 138", "שרון^דבורה"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR 192", "Buc^Jérôme=王^小東"),
    ],
)
def test_names_of_every_alphabet_stay_intact(tmp_path: Path, character_set: str | list[str], name: str) -> None:
    paths = make_series(tmp_path, 2, SpecificCharacterSet=character_set, PatientName=name, ReferringPhysicianName=name)
    for dataset in documents(positive(paths), paths).values():
        back = read_back(dataset)
        assert back.SpecificCharacterSet == "ISO_IR 192"
        assert str(back.PatientName) == str(back.ReferringPhysicianName) == name
        assert name.encode() in to_bytes(dataset)
        assert check(back, headers(paths)) == ()
