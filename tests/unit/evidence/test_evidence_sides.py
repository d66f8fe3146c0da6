"""Answers for each breast: groups, sentences, laterality, and the gate that knows left from right."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomnode.dicom.codes import LEFT, RIGHT
from dicomnode.evidence import check
from dicomnode.evidence.gate.sides import laterality_of
from dicomnode.evidence.gate.subject import children, concept, descendants, named
from dicomnode.evidence.views import side_of, view_code, view_name
from dicomnode.findings import Code
from tests.evidence_cases import documents, headers, positive, sentences
from tests.evidence_mutations import at, code_of, drop, item
from tests.exam_cases import make_exam, screened
from tests.factories import make_series

_PRESENCE = Code("705057003", "SCT", "Presence")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def made(paths: list[Path]) -> Mapping[str, Dataset]:
    return documents(screened(paths), paths)


def _groups(dataset: Dataset) -> list[Dataset]:
    return children(item(dataset, "Imaging Measurements"))


def test_each_breast_has_an_answer_and_class_scores_of_its_own(made: Mapping[str, Dataset], paths: list[Path]) -> None:
    groups = _groups(made["answer"])
    identifiers = [item(group, "Tracking Identifier").TextValue for group in groups]
    assert identifiers[::3] == ["Study answer", "Left breast", "Right breast"]
    assert identifiers[4] == "Left breast, class: Malignant neoplasm, primary"
    assert [laterality_of(group) for group in groups[::3]] == ["", LEFT.value, RIGHT.value]
    presences = [concept(i, "ConceptCodeSequence")[2] for g in groups for i in named(children(g), _PRESENCE)]
    assert presences == ["Present", "Present", "Absent"]
    uids = {item(group, "Tracking Unique Identifier").UID for group in groups}
    assert len(uids) == len(groups) == 9
    assert check(made["answer"], headers(paths), companions=list(made.values())) == ()


def test_text_speaks_of_each_breast_and_names_the_views(made: Mapping[str, Dataset]) -> None:
    words = sentences(made["text"])
    assert "Left breast: Malignant neoplasm, primary is present, score 87 %." in words
    assert "Right breast: Malignant neoplasm, primary was not found, score 4 %." in words
    assert "Carried by R-CC (image 2 of series 1); R-MLO (image 4 of series 1)." in words
    assert "Images given to the model: 4 (L-CC, R-CC, L-MLO, R-MLO)." in words
    assert "Lesion 1: Mass, Left breast, certainty 87 %, on L-CC (image 1 of series 1)." in words
    assert "BI-RADS" not in words


def test_image_library_states_side_and_view(made: Mapping[str, Dataset]) -> None:
    library = item(made["answer"], "Image Library")
    found = [concept(i, "ConceptCodeSequence")[2] for _, _, i in descendants(library) if concept(i)[2] == "Image View"]
    assert sorted(found) == ["cranio-caudal"] * 2 + ["medio-lateral oblique"] * 2
    assert concept(item(library, "Image Laterality"), "ConceptCodeSequence")[2] == "Left"


def test_a_lesion_says_on_which_side_it_is(made: Mapping[str, Dataset]) -> None:
    for kind in ("lesions", "lesions-3"):
        assert [laterality_of(group) for group in _groups(made[kind])] == [LEFT.value]


def test_a_segment_says_on_which_side_it_is(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 3)
    result = positive(paths)
    lateral = tuple(replace(finding, laterality=LEFT) for finding in result.findings)
    region = (
        documents(positive(paths, findings=lateral), paths)["segmentation"].SegmentSequence[0].AnatomicRegionSequence
    )
    assert concept(region[0], "AnatomicRegionModifierSequence") == (LEFT.value, LEFT.scheme, LEFT.meaning)


def test_gate_finds_what_is_on_the_wrong_side(made: Mapping[str, Dataset], paths: list[Path]) -> None:
    broken = copy.deepcopy(made["lesions"])
    code_of("Laterality", CodeValue=RIGHT.value, CodeMeaning=RIGHT.meaning)(broken)
    assert any("names an image of the other" in problem for problem in check(broken, headers(paths)))
    answer = copy.deepcopy(made["answer"])
    at("Measurement Group", lambda group: drop(group, "Presence"), 3)(answer)
    assert any("answer of a side does not say once" in problem for problem in check(answer, headers(paths)))


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"ImageLaterality": "L", "ViewPosition": "MLO"}, "L-MLO"),
        ({"Laterality": "R", "ViewPosition": "CC"}, "R-CC"),
        ({"ImageLaterality": "B"}, ""),
        ({"Modality": "CR", "ImageLaterality": "L"}, ""),
    ],
)
def test_views_are_named_by_what_the_header_says(attributes: dict[str, str], name: str) -> None:
    header = Dataset()
    header.Modality = "MG"
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    assert view_name(header) == name


def test_a_coded_view_wins_over_its_name() -> None:
    header, view = Dataset(), Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "399162004", "SCT", "cranio-caudal"
    header.Modality, header.ImageLaterality, header.ViewCodeSequence = "MG", "R", [view]
    assert view_name(header) == "R-CC"
    assert side_of(header) == "R"
    code = view_code(header)
    assert code is not None and code.meaning == "cranio-caudal"
