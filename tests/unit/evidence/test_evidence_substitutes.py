"""Substitutes of documents: the same content in an older kind, filed on its own, and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.errors import InputError
from dicomnode.evidence import PreviousEvidence, check, to_bytes
from dicomnode.evidence.identity import evidence_uids, kinds
from dicomnode.evidence.ladder import CLASS_OF_FORM, substitute_uid
from dicomnode.evidence.substitutes import Original, build_substitute
from dicomnode.findings import Result
from tests.evidence_cases import documents, finding, headers, positive, read_back, references
from tests.exam_cases import make_exam, screened
from tests.factories import make_enhanced, make_series, write_instance

REPORTS = [
    ("answer", "comprehensive"),
    ("answer", "enhanced"),
    ("lesions", "comprehensive"),
    ("lesions", "enhanced"),
    ("text", "comprehensive"),
    ("text", "basic-text"),
]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return make_series(tmp_path_factory.mktemp("series"), 3, modality="MR")


@pytest.fixture(scope="module")
def originals(paths):
    return stored(positive(paths), paths)


def stored(result: Result, paths: Sequence[Path]) -> dict[str, Original]:
    """The documents of a result as the archive has them."""
    made = documents(result, paths).items()
    return {kind: Original(read_back(dataset), result.model.name, kind) for kind, dataset in made}


def by_uid(paths: Sequence[Path]) -> dict[str, Path]:
    return {str(header.SOPInstanceUID): path for header, path in zip(headers(list(paths)), paths, strict=True)}


def content(document: Dataset) -> str:
    return str(document.ContentSequence)


@pytest.mark.parametrize(("kind", "form"), REPORTS)
def test_a_report_keeps_its_content_word_for_word(originals, paths, kind, form):
    original = originals[kind].dataset
    made = build_substitute(originals[kind], form, {})
    assert made.SOPClassUID == made.file_meta.MediaStorageSOPClassUID == CLASS_OF_FORM[form]
    assert (
        made.SOPInstanceUID
        == made.file_meta.MediaStorageSOPInstanceUID
        == substitute_uid(original.SOPInstanceUID, form)
    )
    assert content(made) == content(original)
    assert made.PatientName == original.PatientName
    assert made.VerificationFlag == "UNVERIFIED"


@pytest.mark.parametrize(("kind", "form"), REPORTS)
def test_a_report_passes_the_gate_and_is_the_same_each_time(originals, paths, kind, form):
    first, second = (build_substitute(originals[kind], form, {}) for _ in range(2))
    assert check(first, headers(paths), lambda uid: True) == ()
    assert to_bytes(first) == to_bytes(second)


def test_it_names_what_it_stands_for_and_lies_in_a_series_of_its_own(originals, paths):
    original = originals["answer"].dataset
    made = build_substitute(originals["answer"], "comprehensive", {})
    [series] = made.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert series.SeriesInstanceUID == original.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID
    taken = {evidence_uids(positive(paths), kind)[0] for kind in kinds()}
    assert made.SeriesInstanceUID not in taken
    assert build_substitute(originals["answer"], "enhanced", {}).SeriesInstanceUID != made.SeriesInstanceUID


def test_what_supersedes_names_the_substitute_of_its_predecessor(paths):
    result = positive(paths)
    before = PreviousEvidence("1.2.3", "1.2.840.10008.5.1.4.1.1.88.34", 4)
    newer = documents(replace(result, input_digest="cd" * 32), paths, previous={"answer": before})
    original = Original(read_back(newer["answer"]), result.model.name, "answer")
    made = build_substitute(original, "comprehensive", {})
    _, own = made.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert own.SeriesInstanceUID == made.SeriesInstanceUID
    assert own.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == substitute_uid("1.2.3", "comprehensive")
    assert made.InstanceNumber == original.dataset.InstanceNumber == 5
    assert check(made, headers(paths), lambda uid: True) == ()


def test_a_report_that_the_older_class_cannot_hold_is_not_made(originals, paths):
    with pytest.raises(InputError, match="holds a NUM"):
        build_substitute(originals["answer"], "basic-text", {})


@pytest.mark.parametrize("form", ["presentation", "picture"])
def test_a_segmentation_is_drawn_on_its_images(originals, paths, form):
    original = originals["segmentation"]
    first, second = (build_substitute(original, form, by_uid(paths)) for _ in range(2))
    assert to_bytes(first) == to_bytes(second)
    assert check(first, headers(paths), lambda uid: True) == ()
    assert first.SOPInstanceUID == substitute_uid(original.dataset.SOPInstanceUID, form)
    assert first.PatientID == original.dataset.PatientID
    assert original.dataset.SOPInstanceUID in (first.get("ContentDescription") or first.get("ImageComments"))


def test_a_state_has_an_outline_for_each_part_of_each_segment(originals, paths):
    state = build_substitute(originals["segmentation"], "presentation", by_uid(paths))
    drawn = {item.ReferencedImageSequence[0].ReferencedSOPInstanceUID: item for item in state.GraphicAnnotationSequence}
    assert set(drawn) == {str(header.SOPInstanceUID) for header in headers(paths)}
    words = [text.UnformattedTextValue for item in drawn.values() for text in item.TextObjectSequence]
    assert sorted(set(words)) == ["AI brain_mri_lesion_detector 0.1.0: not verified", "Lesion 1", "Lesion 2"]
    outline = next(iter(drawn.values())).GraphicObjectSequence[0].GraphicData
    assert (min(outline[::2]), max(outline[::2]), min(outline[1::2]), max(outline[1::2])) == (4, 9, 5, 11)


def test_a_picture_shows_the_images_side_by_side_and_the_largest_of_many(tmp_path):
    many = make_series(tmp_path, 12, modality="CT")
    images = references(many)
    result = positive(many, findings=(finding("Lesion 1", images),))
    picture = build_substitute(stored(result, many)["segmentation"], "picture", by_uid(many))
    assert len(picture.SourceImageSequence) == 9
    assert (picture.Rows > 1500, picture.Columns > 1500) == (True, True)
    assert check(picture, headers(many), lambda uid: True) == ()


def test_images_that_one_state_cannot_show_are_left_to_pictures(tmp_path):
    frames = [write_instance(make_enhanced(), tmp_path / "enhanced")]
    slopes = make_series(tmp_path / "slopes", 3, modality="PT")
    for number, path in enumerate(slopes, 1):
        dataset = dcmread(path)
        dataset.RescaleSlope = number
        dataset.save_as(path)
    for paths, why in ((frames, "multi-frame"), (slopes, "differ in how")):
        original = stored(positive(paths), paths)["segmentation"]
        with pytest.raises(InputError, match=why):
            build_substitute(original, "presentation", by_uid(paths))
        picture = build_substitute(original, "picture", by_uid(paths))
        assert check(picture, headers(paths), lambda uid: True) == ()


def test_a_projections_segmentation_keeps_its_side_and_orientation(tmp_path):
    exam = make_exam(tmp_path)
    original = stored(screened(exam), exam)["segmentation-3"]
    picture = build_substitute(original, "picture", by_uid(exam))
    assert check(picture, headers(exam), lambda uid: True) == ()
    assert picture.PatientOrientation == original.dataset.PatientOrientation
    with pytest.raises(InputError, match="is not here any more"):
        build_substitute(original, "picture", {})
