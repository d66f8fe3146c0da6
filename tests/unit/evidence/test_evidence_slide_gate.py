"""The gate is shown heat maps and tallies that are broken in one way each."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomnode.evidence import check, examine
from tests.evidence_cases import documents, headers, tiled
from tests.evidence_mutations import Change
from tests.evidence_slide_mutations import SLIDE_MUTATIONS
from tests.slides import make_pictures, make_slide

Sound = Mapping[str, tuple[Dataset, list[Dataset]]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    slide = [make_slide(tmp_path_factory.mktemp("slide"))]
    pictures = make_pictures(tmp_path_factory.mktemp("pictures"), 2, pixel_spacing=(0.004, 0.004))
    of_slide, of_pictures = documents(tiled(slide), slide), documents(tiled(pictures), pictures)
    return {
        "slide": (of_slide["heat-map"], headers(slide)),
        "tally": (of_slide["answer"], headers(slide)),
        "picture": (of_pictures["heat-map"], headers(pictures)),
    }


@pytest.mark.filterwarnings("ignore:(The value length|Invalid value):UserWarning")
@pytest.mark.parametrize(
    ("role", "change", "word"),
    [pytest.param(role, change, word, id=f"{role}: {name}") for role, name, change, word in SLIDE_MUTATIONS],
)
def test_gate_finds_what_is_broken(sound: Sound, role: str, change: Change, word: str) -> None:
    dataset, sources = sound[role]
    broken = copy.deepcopy(dataset)
    change(broken)
    problems = check(broken, sources)
    assert any(word in problem for problem in problems), problems


def test_gate_passes_what_is_sound_with_and_without_its_sources(sound: Sound) -> None:
    for dataset, sources in sound.values():
        assert check(dataset, sources) == ()
        assert check(dataset) == ()
        assert examine(dataset, sources).problems == ()


def test_a_container_named_after_the_patient_passes(tmp_path: Path) -> None:
    path = make_slide(tmp_path, PatientID="GENERATED-1")
    assert check(documents(tiled([path]), [path])["heat-map"], headers([path])) == ()
