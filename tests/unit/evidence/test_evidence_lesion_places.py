"""Lesions on projections: a report for each image, in a series of its own that stays whatever else the exam has."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomnode.evidence import EvidenceObject, PreviousEvidence, build_evidence, check
from dicomnode.evidence.identity import MAXIMUM_PARTS, evidence_series_uid, role_of
from dicomnode.evidence.views import view_name
from dicomnode.findings import Outcome
from tests.evidence_cases import (
    MODEL,
    NODE,
    documents,
    finding,
    headers,
    positive,
    references,
    sentences,
    square,
    unanswered,
)
from tests.evidence_mutations import item
from tests.exam_cases import make_exam, screened
from tests.factories import make_series


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def made(paths: list[Path]) -> Mapping[str, Dataset]:
    return documents(screened(paths), paths)


def reports(made: Mapping[str, Dataset]) -> dict[str, Dataset]:
    return {kind: document for kind, document in made.items() if role_of(kind) == "lesions"}


def cited(document: Dataset) -> set[str]:
    """The images that a report names anywhere."""
    return {str(e.value) for e in document.iterall() if e.keyword == "ReferencedSOPInstanceUID"}


def labels(document: Dataset) -> list[str]:
    groups = item(document, "Imaging Measurements").ContentSequence
    return [str(item(group, "Tracking Identifier").TextValue) for group in groups]


def test_each_image_with_lesions_has_a_report_that_names_no_other(
    made: Mapping[str, Dataset], paths: list[Path]
) -> None:
    found = reports(made)
    names = [one.SeriesDescription.partition(": ")[2] for one in found.values()]
    assert names == ["lesions L-CC (unverified)", "lesions L-MLO (unverified)"]
    by_view = {view_name(header): str(header.SOPInstanceUID) for header in headers(paths)}
    assert [cited(one) for one in found.values()] == [{by_view["L-CC"]}, {by_view["L-MLO"]}]
    assert [labels(one) for one in found.values()] == [["Lesion 1"], ["Lesion 2"]]
    for kind, one in found.items():
        assert one.SeriesInstanceUID == evidence_series_uid(one.StudyInstanceUID, MODEL.name, kind)
        assert check(one, headers(paths), companions=list(made.values())) == ()


def test_the_series_of_a_view_stays_when_other_images_come(paths: list[Path]) -> None:
    def series(given: list[Path]) -> dict[str, str]:
        lesion = finding("Lesion 1", [references(given)[-1]], mask=None)
        (one,) = reports(documents(positive(given, findings=(lesion,)), given)).values()
        return {one.SeriesDescription: one.SeriesInstanceUID}

    assert series(paths[1:2]) == series(paths[:2])
    assert series(paths[1:2]) != series(paths[:1])


def test_a_lesion_on_two_views_stands_in_both_reports_under_one_tracking_uid(paths: list[Path]) -> None:
    images = references(paths)
    both = finding("Lesion 1", (images[0], images[1]), mask=square(images[:2], (20, 16)))
    found = reports(documents(screened(paths, findings=(both,)), paths))
    assert list(found) == ["lesions", "lesions-2"]
    groups = [item(one, "Imaging Measurements").ContentSequence[0] for one in found.values()]
    assert {str(group.ContentTemplateSequence[0].TemplateIdentifier) for group in groups} == {"1410"}
    assert len({item(group, "Tracking Unique Identifier").UID for group in groups}) == 1


def test_a_volume_keeps_its_one_report(tmp_path: Path) -> None:
    found = reports(documents(positive(slices := make_series(tmp_path, 3)), slices))
    assert list(found) == ["lesions"]
    assert found["lesions"].SeriesDescription.endswith(": lesions (unverified)")


def newest(objects: Iterable[EvidenceObject]) -> dict[str, PreviousEvidence]:
    """What the archive tells of them when the next result is written."""
    return {
        one.kind: PreviousEvidence(one.sop_instance_uid, str(one.dataset.SOPClassUID), one.instance_number)
        for one in objects
    }


def test_where_no_lesion_is_any_more_a_report_says_so(paths: list[Path]) -> None:
    result = screened(paths)
    previous = newest(build_evidence(result, paths, {}, NODE))
    newer = replace(result, input_digest="f" * 64, findings=result.findings[:1])
    after = {one.kind: one.dataset for one in build_evidence(newer, paths, previous, NODE)}
    assert labels(after["lesions"]) == ["Lesion 1"]
    cleared = after["lesions-3"]
    assert "outlines no lesion on L-MLO." in sentences(cleared)
    assert (cleared.InstanceNumber, cleared.SeriesDescription.partition(": ")[2]) == (2, "lesions L-MLO (unverified)")
    for document in after.values():
        assert check(document, headers(paths), companions=list(after.values())) == ()
    assert "lesions-2" not in after and "lesions-4" not in after


@pytest.mark.parametrize(("change", "word"), [("silent", "not verified"), ("numbers", "numbers or coordinates")])
def test_gate_knows_what_such_a_report_must_say(paths: list[Path], change: str, word: str) -> None:
    result = screened(paths)
    objects = build_evidence(result, paths, {}, NODE)
    newer = replace(result, input_digest="f" * 64, findings=())
    broken = {one.kind: one.dataset for one in build_evidence(newer, paths, newest(objects), NODE)}["lesions"]
    if change == "silent":
        item(broken, "Conclusions").ContentSequence.pop(0)
    else:
        broken.ContentSequence.extend(item(objects[0].dataset, "Imaging Measurements").ContentSequence)
    assert any(word in problem for problem in check(broken, headers(paths)))


def test_a_result_that_is_none_leaves_the_lesions_as_they_were(paths: list[Path]) -> None:
    previous = newest(build_evidence(screened(paths), paths, {}, NODE))
    after = build_evidence(replace(unanswered(paths, Outcome.FAILED), input_digest="f" * 64), paths, previous, NODE)
    assert {one.kind for one in after} == {"answer", "text"}


def test_a_report_names_the_one_that_it_supersedes_in_its_own_series(paths: list[Path]) -> None:
    result = screened(paths)
    before = {one.kind: one for one in build_evidence(result, paths, {}, NODE)}
    newer = replace(result, input_digest="f" * 64)
    after = {one.kind: one for one in build_evidence(newer, paths, newest(before.values()), NODE)}
    for kind in ("lesions", "lesions-3"):
        (series,) = after[kind].dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
        assert series.SeriesInstanceUID == after[kind].series_instance_uid == before[kind].series_instance_uid
        assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before[kind].sop_instance_uid
        assert after[kind].instance_number == 2
        assert check(after[kind].dataset, headers(paths)) == ()


def test_no_lesion_is_lost_where_there_are_more_images_than_parts(tmp_path: Path) -> None:
    paths = [path for number in range(3) for path in make_exam(tmp_path / str(number), series=str(number))]
    lesions = tuple(finding(f"Lesion {n}", [image], mask=None) for n, image in enumerate(references(paths), 1))
    made = documents(positive(paths, findings=lesions), paths)
    found = reports(made)
    assert len(found) == MAXIMUM_PARTS
    assert sorted(label for one in found.values() for label in labels(one)) == sorted(one.label for one in lesions)
    shared = found[f"lesions-{MAXIMUM_PARTS}"]
    assert (len(labels(shared)), shared.SeriesDescription.partition(": ")[2]) == (5, "lesions (unverified)")
    for one in found.values():
        assert check(one, headers(paths), companions=list(made.values())) == ()


def test_gate_knows_that_viewers_show_outlines_of_one_projection_only(
    made: Mapping[str, Dataset], paths: list[Path]
) -> None:
    broken, other = copy.deepcopy(made["lesions"]), made["lesions-3"]
    item(broken, "Imaging Measurements").ContentSequence.extend(item(other, "Imaging Measurements").ContentSequence)
    assert any("several projections" in problem for problem in check(broken, headers(paths)))
