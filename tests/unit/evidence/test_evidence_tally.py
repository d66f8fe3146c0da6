"""Counts of tiles and cells, in numbers and in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomnode.evidence import check
from dicomnode.evidence.gate.subject import concept, descendants
from dicomnode.evidence.tally import TALLIED_THINGS, tally_concepts
from tests.evidence_cases import (
    codes,
    counted,
    documents,
    headers,
    numbers,
    positive,
    read_back,
    references,
    sentences,
    tiled,
)
from tests.factories import make_series
from tests.slides import make_cells, make_pictures, make_slide


def test_tiles_are_counted_in_numbers_and_words(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    made = documents(tiled([path]), [path])
    assert numbers(made["answer"]) == [
        ("Probability of cancer", 93.0),
        ("Number of tiles examined", 412.0),
        ("Number of tiles that reached the operating point", 37.0),
        ("Percentage of tiles that reached the operating point", 8.9806),
    ]
    words = sentences(made["text"])
    assert "37 of 412 tissue tiles (9.0 %) reached the operating point for: Infiltrating duct carcinoma" in words
    assert "Each tissue tile is scored alone; the slide's score is the mean of its 3 highest." in words


def test_cells_are_counted_in_numbers_and_words(tmp_path: Path) -> None:
    path = make_cells(tmp_path)
    made = documents(counted([path]), [path])
    assert [value for _, value in numbers(made["answer"])] == [93.0, 200.0, 14.0, 7.0]
    assert "14 of 200 cells (7.0 %) were called: Immature blood cell." in sentences(made["text"])
    units = [concept(i.MeasuredValueSequence[0], "MeasurementUnitsCodeSequence") for i in _numbers(made["answer"])]
    assert [unit[:2] for unit in units] == [("%", "UCUM"), ("{cells}", "UCUM"), ("{cells}", "UCUM"), ("%", "UCUM")]


def test_of_nothing_examined_there_is_no_percentage(tmp_path: Path) -> None:
    paths = make_pictures(tmp_path, 2)
    made = documents(counted(paths, 0, 0), paths)
    assert [value for _, value in numbers(made["answer"])] == [93.0, 0.0, 0.0]
    assert "No cells were found to examine." in sentences(made["text"])
    for document in made.values():
        assert check(read_back(document), headers(paths)) == ()


def test_threshold_and_model_stand_in_the_group_of_the_counts(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    answered = documents(tiled([path]), [path])["answer"]
    assert "operating threshold = 0.5" in sentences(answered)
    assert codes(answered, "Finding") == ["408643008"]
    assert codes(answered, "Procedure reported") == ["112702"]


def test_images_that_carried_the_answer_are_named_with_their_frames(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    answered = documents(tiled([path]), [path])["answer"]
    cited = [i.ReferencedSOPSequence[0].get("ReferencedFrameNumber") for i in _items(answered, "Source of Measurement")]
    assert cited == [1, 2]


def test_frames_of_a_class_that_has_none_are_named_in_words(tmp_path: Path) -> None:
    path = make_cells(tmp_path)
    answered = documents(counted([path]), [path])["answer"]
    cited = [i.ReferencedSOPSequence[0] for i in _items(answered, "Source of Measurement")]
    assert [item.get("ReferencedFrameNumber") for item in cited] == [None]
    uid = references([path])[0].sop_instance_uid
    assert f"Frames of image {uid} that carried the answer: 1, 2, 3." in sentences(answered)


def test_pixel_spacing_of_a_slide_stands_in_the_image_library(tmp_path: Path) -> None:
    answered = documents(tiled([make_slide(tmp_path)]), [next(tmp_path.iterdir())])["answer"]
    spacing = _items(answered, "Vertical Pixel Spacing")[0].MeasuredValueSequence[0].NumericValue
    assert float(spacing) == 0.0005


def test_private_codes_say_whose_they_are_and_fit_a_code_value(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    schemes = documents(tiled([path]), [path])["answer"].CodingSchemeIdentificationSequence
    assert [item.CodingSchemeDesignator for item in schemes] == ["99DICOMNODE"]
    names = [tally_concepts(thing) for thing in TALLIED_THINGS]
    assert all(len(code.value) <= 16 for name in names for code in (name.examined, name.positive, name.percentage))


def test_no_private_code_no_scheme(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2)
    assert "CodingSchemeIdentificationSequence" not in documents(positive(paths), paths)["answer"]


@pytest.mark.parametrize("missing", ["PatientID", "StudyID", "AccessionNumber", "InstanceNumber", "SeriesNumber"])
def test_bare_microscopy_is_enough(tmp_path: Path, missing: str) -> None:
    paths = [make_slide(tmp_path, **{missing: None})]
    made = documents(tiled(paths), paths)
    assert set(made) == {"answer", "text", "heat-map"}
    assert all(check(read_back(document), headers(paths)) == () for document in made.values())


def _items(dataset: Dataset, meaning: str) -> list[Dataset]:
    return [item for _, _, item in descendants(dataset) if concept(item)[2] == meaning]


def _numbers(dataset: Dataset) -> list[Dataset]:
    return [i for _, _, i in descendants(dataset) if i.ValueType == "NUM" and i.RelationshipType == "CONTAINS"]
