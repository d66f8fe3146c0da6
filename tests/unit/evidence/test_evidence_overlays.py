"""Presentation states, pictures and the attention document on mammograms."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.evidence import check, examine, to_bytes
from dicomnode.evidence.gate.subject import children
from dicomnode.evidence.identity import role_of
from dicomnode.evidence.picture_document import MAXIMUM_SIDE
from dicomnode.findings import Outcome
from tests.evidence_cases import answer, documents, headers, numbers, read_back, references, sentences
from tests.evidence_mutations import Change
from tests.exam_cases import make_exam, screened
from tests.exam_mutations import EXAM_MUTATIONS
from tests.factories import ramp


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def made(paths: list[Path]) -> Mapping[str, Dataset]:
    return documents(screened(paths), paths)


def _kinds(made: Mapping[str, Dataset], role: str) -> list[str]:
    return [kind for kind in made if role_of(kind) == role]


def test_all_of_them_pass_the_gate_with_and_without_sources(made: Mapping[str, Dataset], paths: list[Path]) -> None:
    for kind in ("attention", "presentation", "picture", "picture-3"):
        document = read_back(made[kind])
        assert check(document, headers(paths), companions=list(made.values())) == ()
        assert check(document) == ()
        assert examine(document).problems == ()


def test_one_state_shows_every_view_with_its_outlines_and_words(made: Mapping[str, Dataset], paths: list[Path]) -> None:
    state = made["presentation"]
    assert _kinds(made, "presentation") == ["presentation"]
    assert (state.Modality, state.ContentLabel) == ("PR", "AI_UNVERIFIED")
    assert [layer.GraphicLayer for layer in state.GraphicLayerSequence] == ["AI_FINDINGS", "AI_ATTENTION"]
    first, second = state.GraphicAnnotationSequence[:2]
    uids = [header.SOPInstanceUID for header in headers(paths)]
    assert first.ReferencedImageSequence[0].ReferencedSOPInstanceUID == uids[0]
    words = [text.UnformattedTextValue for text in first.TextObjectSequence]
    assert words == ["AI brain_mri_lesion_detector 0.1.0: not verified", "Lesion 1: 87 %"]
    assert second.TextObjectSequence[0].UnformattedTextValue == "Attention: 25 %"
    graphic = first.GraphicObjectSequence[0]
    assert list(graphic.GraphicData) == [4, 5, 9, 5, 9, 11, 4, 11, 4, 5]
    areas = [list(item.DisplayedAreaBottomRightHandCorner) for item in state.DisplayedAreaSelectionSequence]
    assert areas == [[16, 20], [16, 20], [20, 24], [20, 24]]
    assert [float(item.WindowWidth) for item in state.SoftcopyVOILUTSequence] == [200] * 4


def test_highdicom_reads_the_colours_of_the_layers(made: Mapping[str, Dataset]) -> None:
    stored = made["presentation"].GraphicLayerSequence[0].GraphicLayerRecommendedDisplayCIELabValue
    assert tuple(stored) == hd.color.CIELabColor(53, 80, 67).value


def test_images_that_look_different_get_states_of_their_own(tmp_path: Path) -> None:
    inverse = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": None, "RescaleSlope": None}
    paths = [*make_exam(tmp_path, ("L-CC",)), *make_exam(tmp_path, ("R-CC",), **inverse)]
    made = documents(screened(paths, findings=()), paths)
    states = [made[kind] for kind in _kinds(made, "presentation")]
    assert [state.PresentationLUTShape for state in states] == ["IDENTITY", "INVERSE"]
    assert [state.Laterality for state in states] == ["L", "R"]
    assert all(check(state, headers(paths)) == () for state in states)


def test_a_table_of_greys_goes_before_a_window(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTExplanation = [4, 0, 8], "NORMAL"
    table.LUTData = [0, 50, 100, 255]
    for keyword in ("LUTDescriptor", "LUTData"):
        table[keyword].VR = "US"
    paths = make_exam(tmp_path, ("L-CC",), VOILUTSequence=[table])
    made = documents(screened(paths), paths)
    window = made["presentation"].SoftcopyVOILUTSequence[0]
    assert "WindowCenter" not in window
    assert list(window.VOILUTSequence[0].LUTData) == [0, 50, 100, 255]
    assert check(made["presentation"], headers(paths)) == ()


def test_without_spacing_the_state_gives_an_aspect_ratio(tmp_path: Path) -> None:
    paths = make_exam(tmp_path, ("L-CC",), ImagerPixelSpacing=None, WindowCenter=None)
    state = documents(screened(paths), paths)["presentation"]
    assert list(state.DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio) == [1, 1]
    assert "SoftcopyVOILUTSequence" not in state
    assert check(state, headers(paths)) == ()


def test_pictures_are_of_the_views_with_findings_only(made: Mapping[str, Dataset]) -> None:
    assert _kinds(made, "picture") == ["picture", "picture-3"]
    picture = made["picture-3"]
    assert picture.SeriesDescription.endswith("picture L-MLO (unverified)")
    assert (picture.Modality, picture.Laterality, picture.BurnedInAnnotation) == ("OT", "L", "NO")
    assert list(picture.PatientOrientation) == ["A", "FR"]
    assert not {"PixelSpacing", "ImagerPixelSpacing"} & set(picture.dir())


def test_a_model_without_outlines_has_pictures_of_what_it_attended_to(paths: list[Path]) -> None:
    assert len(_kinds(documents(screened(paths, findings=()), paths), "picture")) == 4


def test_nothing_is_drawn_over_a_negative_exam(paths: list[Path]) -> None:
    made = documents(screened(paths, findings=(), outcome=Outcome.NO_FINDINGS), paths)
    assert _kinds(made, "picture") == _kinds(made, "presentation") == []
    assert _kinds(made, "attention") == ["attention"]


@pytest.mark.parametrize(("stated", "expected"), [("YES", "YES"), ("NO", "NO"), (None, None)])
def test_a_picture_says_of_burnt_in_identity_what_its_source_says(
    tmp_path: Path, stated: str | None, expected: str | None
) -> None:
    paths = make_exam(tmp_path, ("L-CC",), BurnedInAnnotation=stated)
    assert documents(screened(paths), paths)["picture"].get("BurnedInAnnotation") == expected


def test_a_large_image_is_reduced_and_its_outline_with_it(tmp_path: Path) -> None:
    paths = make_exam(tmp_path, ("L-CC",), pixels=np.full((2800, 1400), 40, np.uint16), WindowCenter=100)
    image = references(paths)[0]
    square = np.array([[200.0, 400.0], [600.0, 400.0], [600.0, 800.0], [200.0, 800.0]])
    finding = screened(paths).findings[0]
    drawn = replace(finding, mask=None, contours=(replace(finding.contours[0], image=image, points=square),))
    result = screened(paths, findings=(drawn,), attention=(), heat_maps=())
    picture = documents(result, paths)["picture"]
    assert picture.Columns == 700 and MAXIMUM_SIDE < picture.Rows < MAXIMUM_SIDE + 200
    pixels = np.frombuffer(picture.PixelData, np.uint8)[: picture.Rows * 700 * 3].reshape(picture.Rows, 700, 3)
    coloured = np.argwhere(pixels.max(axis=2).astype(int) - pixels.min(axis=2) > 100)
    beside = coloured[(coloured[:, 0] > 210) & (coloured[:, 0] < 390)]
    assert set(np.unique(beside[:, 1])) <= {*range(96, 105), *range(296, 305)}
    assert pixels[300, 200].tolist() == [51, 51, 51]  # 40 in a window of 0 to 200


def test_an_image_that_cannot_be_decoded_costs_the_picture_only(tmp_path: Path) -> None:
    paths = make_exam(tmp_path, ("L-CC",))
    dataset = dcmread(paths[0])
    dataset.PixelData = dataset.PixelData[:100]
    dataset.save_as(paths[0])
    made = documents(screened(paths), paths)
    assert "picture" not in made and "presentation" in made
    assert "No picture of image" in sentences(made["text"])


def test_attention_has_a_document_of_its_own(made: Mapping[str, Dataset]) -> None:
    groups = children(children(made["attention"])[-1])
    assert len(groups) == 4
    assert numbers(made["attention"]) == [("Share of the network's attention", 25.0)] * 4
    assert made["attention"].CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99DICOMNODE"


def test_slices_and_photographs_get_none_of_it(tmp_path: Path) -> None:
    paths = make_exam(tmp_path, ("L-CC",), modality="OT", pixels=ramp(20, 16))
    made = documents(screened(paths, answer=answer(references(paths)), heat_maps=(), attention=()), paths)
    assert set(made) == {"answer", "text", "lesions"}


def test_same_result_gives_the_same_bytes(made: Mapping[str, Dataset], paths: list[Path]) -> None:
    again = documents(screened(paths), list(reversed(paths)))
    assert {kind: to_bytes(document) for kind, document in again.items()} == {
        kind: to_bytes(document) for kind, document in made.items()
    }


@pytest.mark.parametrize(
    ("kind", "change", "word"),
    [pytest.param(kind, change, word, id=f"{kind}: {name}") for kind, name, change, word in EXAM_MUTATIONS],
)
def test_gate_finds_what_is_broken(
    made: Mapping[str, Dataset], paths: list[Path], kind: str, change: Change, word: str
) -> None:
    broken = copy.deepcopy(made[kind])
    change(broken)
    problems = check(broken, headers(paths), companions=list(made.values()))
    assert any(word in problem for problem in problems), problems
