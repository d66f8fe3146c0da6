"""Each check of the gate is shown an object that is broken in just that way."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.evidence import check
from dicomnode.findings import Outcome
from tests.evidence_cases import documents, positive, unanswered
from tests.evidence_mutations import MUTATIONS, Change, item
from tests.factories import make_enhanced, make_series, write_instance


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(
        tmp_path_factory.mktemp("series"), 4, PatientName="Muster^Maria", PatientID="PAT-004711", Manufacturer="X"
    )


@pytest.fixture(scope="module")
def sources(paths: list[Path]) -> list[Dataset]:
    return [dcmread(path, stop_before_pixels=True) for path in paths]


@pytest.fixture(scope="module")
def sound(paths: list[Path]) -> Mapping[str, Dataset]:
    made = dict(documents(positive(paths), paths))
    made["failed"] = documents(unanswered(paths, Outcome.FAILED), paths)["answer"]
    return made


@pytest.mark.filterwarnings("ignore:(The value length|Invalid value):UserWarning")
@pytest.mark.parametrize(
    ("role", "change", "word"),
    [pytest.param(role, change, word, id=f"{role}: {name}") for role, name, change, word in MUTATIONS],
)
def test_gate_finds_what_is_broken(
    sound: Mapping[str, Dataset], sources: list[Dataset], role: str, change: Change, word: str
) -> None:
    broken = copy.deepcopy(sound[role])
    change(broken)
    problems = check(broken, sources, companions=list(sound.values()))
    assert any(word in problem for problem in problems), problems


def test_gate_passes_what_is_sound(sound: Mapping[str, Dataset], sources: list[Dataset]) -> None:
    for dataset in sound.values():
        assert check(dataset, sources, companions=list(sound.values())) == ()
        assert check(dataset) == ()


def test_evidence_may_not_take_a_source_series_or_instance(
    sound: Mapping[str, Dataset], sources: list[Dataset]
) -> None:
    broken = copy.deepcopy(sound["answer"])
    broken.SeriesInstanceUID, broken.SOPInstanceUID = sources[0].SeriesInstanceUID, sources[0].SOPInstanceUID
    assert any("a source series" in problem for problem in check(broken, sources))
    broken.SeriesInstanceUID = sound["answer"].SeriesInstanceUID
    assert any("a source instance" in problem for problem in check(broken, sources))


def test_series_of_one_study_may_differ_in_what_is_no_identifier(tmp_path: Path) -> None:
    first = make_series(tmp_path / "a", 2, StudyTime="101112")
    second = make_series(tmp_path / "b", 2, series="other", StudyTime="111213", PatientName="Generated^Test^^Dr")
    paths = first + second
    headers = [dcmread(path, stop_before_pixels=True) for path in paths]
    broken = documents(unanswered(paths, Outcome.REFUSED), paths)["answer"]
    assert check(broken, headers) == ()
    broken.PatientName = "Generated^Test^^Dr"  # one source's time with another's name
    assert any("differs from that of source instance" in problem for problem in check(broken, headers))


def test_every_cited_source_must_be_of_the_patient(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "a", 1) + make_series(tmp_path / "b", 1, series="other", PatientID="TEST-2")
    headers = [dcmread(path, stop_before_pixels=True) for path in paths]
    made = documents(unanswered(paths, Outcome.REFUSED), paths)["answer"]
    assert check(made, headers) == (f"PatientID differs from that of source instance {headers[1].SOPInstanceUID}",)


def test_a_source_that_lost_its_uid_is_passed_over(sound: Mapping[str, Dataset], sources: list[Dataset]) -> None:
    assert check(sound["answer"], [Dataset(), *sources]) == ()


def test_one_header_serves_for_identity_and_a_function_for_existence(
    sound: Mapping[str, Dataset], sources: list[Dataset]
) -> None:
    uids = {str(source.SOPInstanceUID) for source in sources}
    assert check(sound["lesions"], sources[0]) == ()
    assert check(sound["lesions"], sources[0], uids.__contains__) == ()
    problems = check(sound["segmentation"], sources[0], lambda uid: False)
    assert any("does not exist" in problem for problem in problems)


def test_frame_of_a_multi_frame_image_must_be_named(tmp_path: Path) -> None:
    path = write_instance(make_enhanced(), tmp_path)
    broken = documents(positive([path]), [path])["lesions"]
    del item(broken, "Image Region").ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber
    problems = check(broken, [dcmread(path, stop_before_pixels=True)])
    assert any("names no frame" in problem for problem in problems)


def test_problems_tell_no_patient(sound: Mapping[str, Dataset], sources: list[Dataset]) -> None:
    broken = copy.deepcopy(sound["text"])
    broken.PatientName, broken.PatientID = "Someone^Else", "SECRET-1234"
    item(broken, "Finding").TextValue = "SECRET-1234"
    words = " ".join(check(broken, sources))
    assert "PatientID differs" in words
    assert "SECRET" not in words and "Someone" not in words and "Muster" not in words and "4711" not in words
