"""Masks and heat maps on mammograms: an object for each image, on the image's own pixels."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomnode.errors import InputError
from dicomnode.evidence import check, to_bytes
from dicomnode.evidence.identity import MAXIMUM_PARTS, kind_of, kinds, role_of
from dicomnode.evidence.projections import projections_of
from dicomnode.evidence.sources import read_sources
from tests.evidence_cases import documents, finding, headers, positive, references, sentences, square
from tests.evidence_mutations import Change, segment, setting
from tests.exam_cases import make_exam, screened


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def made(paths: list[Path]) -> Mapping[str, Dataset]:
    return documents(screened(paths), paths)


def test_each_view_has_a_heat_map_in_a_series_of_its_own(made: Mapping[str, Dataset], paths: list[Path]) -> None:
    maps = [made[kind_of("heat-map", part)] for part in (1, 2, 3, 4)]
    assert [document.SeriesDescription.partition(": ")[2] for document in maps] == [
        f"heat map {view} (unverified)" for view in ("L-CC", "R-CC", "L-MLO", "R-MLO")
    ]
    assert len({document.SeriesInstanceUID for document in maps}) == 4
    assert len({document.SegmentSequence[0].TrackingUID for document in maps}) == 4
    for document, header in zip(maps, headers(paths), strict=True):
        assert list(document.PatientOrientation) == list(header.PatientOrientation)
        region = document.SegmentSequence[0].AnatomicRegionSequence[0]
        assert region.AnatomicRegionModifierSequence[0].CodeMeaning[0] == header.ImageLaterality
        assert check(document, headers(paths), companions=list(made.values())) == ()


def test_a_map_lies_on_the_pixels_that_it_was_made_of(made: Mapping[str, Dataset]) -> None:
    """The map has 4 x 3 elements of 4.5 x 4 pixels from column 2 and row 1 on, 0 to 1 in twelve steps."""
    segmentation = hd.seg.segread(BytesIO(to_bytes(made["heat-map-3"])))
    values = segmentation.pixel_array.reshape(24, 20) / 255
    assert values[0].max() == values[:, 1].max() == values[19:].max() == values[:, 14:].max() == 0
    assert values[18, 13] == 1.0
    np.testing.assert_allclose(values[7, 7], 4 / 11, atol=1 / 255)


def test_each_view_with_a_lesion_has_masks_on_its_pixels(made: Mapping[str, Dataset], paths: list[Path]) -> None:
    assert [kind for kind in made if role_of(kind) == "segmentation"] == ["segmentation", "segmentation-3"]
    segmentation = hd.seg.segread(BytesIO(to_bytes(made["segmentation-3"])))
    expected = np.zeros((24, 20), np.uint8)
    expected[5:11, 4:9] = 1
    np.testing.assert_array_equal(segmentation.pixel_array.reshape(24, 20), expected)
    assert segmentation.SegmentSequence[0].SegmentLabel == "Lesion 2"
    for kind in ("segmentation", "segmentation-3"):
        assert check(made[kind], headers(paths), companions=list(made.values())) == ()


def test_a_mask_on_two_views_is_a_segment_of_each(paths: list[Path]) -> None:
    images = references(paths)
    both = finding("Lesion 1", (images[0], images[1]), mask=square(images[:2], (20, 16)))
    found = documents(screened(paths, findings=(both,)), paths)
    assert (
        found["segmentation"].SegmentSequence[0].TrackingUID == found["segmentation-2"].SegmentSequence[0].TrackingUID
    )


def test_a_mask_of_another_size_is_an_error(paths: list[Path]) -> None:
    images = references(paths)
    wrong = finding("Lesion 1", images[2:3], mask=square(images[2:3], (20, 16)))
    with pytest.raises(InputError, match="24 x 20 pixels"):
        documents(screened(paths, findings=(wrong,)), paths)


@pytest.mark.parametrize(("factor", "expected"), [(None, 0.1), (1.25, 0.08)])
def test_pixel_spacing_is_that_of_the_detector_less_its_magnification(
    tmp_path: Path, factor: float | None, expected: float
) -> None:
    paths = make_exam(tmp_path, ("L-CC",), EstimatedRadiographicMagnificationFactor=factor)
    made = documents(screened(paths), paths)
    for kind in ("segmentation", "heat-map"):
        measures = made[kind].SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        assert [float(value) for value in measures.PixelSpacing] == [expected, expected]


def test_saliency_is_never_called_a_calibrated_probability(paths: list[Path]) -> None:
    result = screened(paths)
    assert result.answer is not None
    calibrated = replace(result, answer=replace(result.answer, calibrated=True))
    words = documents(calibrated, paths)["heat-map"].SegmentSequence[0].SegmentDescription
    assert "not a calibrated probability" in words and "tissue" not in words


def _parts(paths: list[Path]) -> list[tuple[int, str]]:
    result = positive(paths, findings=())
    return [(one.part, one.view) for one in projections_of(result, read_sources(result, paths))]


def test_a_standard_view_has_its_part_whatever_else_there_is(paths: list[Path], tmp_path: Path) -> None:
    assert _parts(paths) == list(enumerate(("L-CC", "R-CC", "L-MLO", "R-MLO"), 1))
    assert _parts(paths[::-1]) == [(4, "R-MLO"), (3, "L-MLO"), (2, "R-CC"), (1, "L-CC")]
    assert _parts(paths[3:]) == [(4, "R-MLO")]
    again = make_exam(tmp_path / "again", series="2")
    assert _parts([*paths, *again[2:]])[4:] == [(5, "L-MLO"), (6, "R-MLO")]
    hands = make_exam(tmp_path / "hands", modality="DX", BodyPartExamined="HAND")
    assert [part for part, _ in _parts(hands)] == [1, 2, 3, 4]


def test_there_is_a_kind_for_each_part() -> None:
    assert len(kinds()) == len(set(kinds())) == 4 + 5 * MAXIMUM_PARTS
    assert role_of("answer-2") is None


def test_more_images_than_parts_are_told(tmp_path: Path) -> None:
    folders = [make_exam(tmp_path / str(number), series=str(number)) for number in range(3)]
    paths = [path for folder in folders for path in folder]
    heat_maps = tuple(screened(folder).heat_maps for folder in folders)
    made = documents(screened(paths, heat_maps=sum(heat_maps, ()), findings=()), paths)
    assert sum(role_of(kind) == "heat-map" for kind in made) == MAXIMUM_PARTS
    assert "Heat maps left out, because there are too many images: 4." in sentences(made["text"])


def _other_side(dataset: Dataset) -> None:
    region = dataset.SegmentSequence[0].AnatomicRegionSequence[0]
    region.AnatomicRegionModifierSequence[0].CodeValue = "24028007"


@pytest.mark.parametrize(
    ("kind", "change", "word"),
    [
        ("heat-map", setting(PatientOrientation=["P", "L"]), "PatientOrientation"),
        ("segmentation", setting(PatientOrientation=""), "PatientOrientation"),
        ("heat-map", _other_side, "of one side"),
        ("segmentation", _other_side, "of one side"),
        ("segmentation-3", setting(Rows=20), "Rows and Columns"),
        ("segmentation", segment(setting(TrackingUID="1.2.3")), "tracked"),
    ],
)
def test_gate_finds_what_is_broken(
    made: Mapping[str, Dataset], paths: list[Path], kind: str, change: Change, word: str
) -> None:
    broken = copy.deepcopy(made[kind])
    change(broken)
    problems = check(broken, headers(paths), companions=list(made.values()))
    assert any(word in problem for problem in problems), problems
