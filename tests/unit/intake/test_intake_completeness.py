"""Studies compared with what a PACS holds, before they close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.checks import CheckState
from dicomnode.archive.records import StudyState
from dicomnode.errors import PeerRefusedError, PeerUnavailableError
from dicomnode.intake.comparing import Comparing
from dicomnode.intake.completeness import Completeness
from dicomnode.settings import CompletionSettings, PacsSettings
from tests.archives import NOW, SR, at, contributing, make_file, open_archive, put
from tests.held_pacs import HeldPacs

POLICY = CompletionSettings(quiet_period_seconds=10, deadline_seconds=600)
SC = "1.2.840.10008.5.1.4.1.1.7"
UID = "1.2.3"


@dataclass
class Desk:
    """An archive, the PACS that are asked about its studies, and a clock that a test sets."""

    archive: Archive
    pacs: dict[str, HeldPacs]
    seconds: float = 20.0

    def __post_init__(self) -> None:
        named = [PacsSettings(name=name, url="http://pacs.invalid") for name in self.pacs]
        comparing = Comparing(self.archive, named, lambda settings: self.pacs[settings.name], self.clock)
        self.completeness = Completeness(self.archive, POLICY, comparing, self.clock, Random(1))

    def clock(self):
        return NOW + timedelta(seconds=self.seconds)

    def step(self, seconds: float | None = None) -> bool:
        self.seconds = seconds or self.seconds
        return self.completeness.step(threading.Event())

    @property
    def state(self) -> StudyState:
        return self.archive.studies.record(UID).state

    def trace(self) -> str:
        return "\n".join(f"{entry.event}: {entry.text}" for entry in self.archive.traces.list(UID))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    opened: list[Archive] = []

    def make(*pacs: HeldPacs) -> Desk:
        opened.append(open_archive(tmp_path))
        return Desk(opened[-1], {f"pacs{number}": item for number, item in enumerate(pacs, start=1)})

    yield make
    for archive in opened:
        archive.close()


def image(number: int, **attributes: object) -> bytes:
    return make_file(f"{UID}.{number}", UID, **attributes)


def test_what_is_missing_is_fetched_before_the_study_closes(desk):
    pacs = HeldPacs().add(*(image(number) for number in range(1, 6)))
    here = desk(pacs)
    put(here.archive, image(2))
    assert not here.step(9)  # not due yet
    assert here.step(20)
    assert pacs.given == [f"{UID}.{number}" for number in (1, 3, 4, 5)]
    (study,) = here.archive.studies.list(StudyState.COMPLETE)
    assert (study.generation, study.source_instances) == (1, 5)
    check = here.archive.checks.get(UID, 1)
    assert (check.state, check.pacs, check.expected, check.held) == (CheckState.WHOLE, "pacs1", 5, 5)
    assert "pacs pacs1 lists 5 images, all of them are here (4 fetched from it)" in here.trace()
    assert not here.step(40)


def test_documents_and_the_nodes_own_pictures_are_no_missing_images(desk):
    own = image(8, SOPClassUID=SC, ContributingEquipmentSequence=contributing("dicomnode"))
    other = image(9, SOPClassUID=SR, SeriesInstanceUID=f"{UID}.8", Modality="SR")
    pacs = HeldPacs().add(image(1), other, own)
    here = desk(pacs)
    put(here.archive, image(1))
    put(here.archive, own)
    here.step()
    assert pacs.given == []
    assert "lists 1 images, all of them are here" in here.trace()


def test_a_pacs_that_holds_less_is_not_waited_for(desk):
    here = desk(HeldPacs().add(image(1)))
    put(here.archive, image(1))
    put(here.archive, image(2))
    here.step()
    assert here.state is StudyState.COMPLETE
    assert "lists 1 images so far, 2 are here" in here.trace()


def test_a_pacs_that_does_not_know_the_study_yet_is_not_waited_for(desk):
    here = desk(HeldPacs(), HeldPacs())
    put(here.archive, image(1))
    here.step()
    assert here.archive.checks.get(UID, 1).state is CheckState.UNCHECKED
    assert "not checked: pacs1 and pacs2 do not know the study (yet)" in here.trace()


@pytest.mark.parametrize("first", [HeldPacs(), HeldPacs(trouble=PeerUnavailableError("away"))])
def test_the_first_that_knows_the_study_answers(desk, first):
    here = desk(first, HeldPacs().add(image(1), image(2)), HeldPacs())
    put(here.archive, image(1))
    here.step()
    assert here.archive.checks.get(UID, 1).pacs == "pacs2"
    assert here.archive.studies.record(UID).source_instances == 2


def test_what_the_pacs_cannot_give_is_counted(desk):
    pacs = HeldPacs(withheld={f"{UID}.3"}).add(image(1), image(2), image(3))
    here = desk(pacs)
    put(here.archive, image(1))
    here.step()
    check = here.archive.checks.get(UID, 1)
    assert (check.state, check.expected, check.held) == (CheckState.INCOMPLETE, 3, 2)
    assert here.state is StudyState.COMPLETE
    assert "INCOMPLETE: pacs pacs1 lists 3 images, 1 of them could not be had (1 fetched from it)" in here.trace()


def test_a_pacs_that_is_away_is_asked_again_until_the_deadline(desk):
    pacs = HeldPacs(trouble=PeerUnavailableError("it is away"))
    here = desk(pacs)
    put(here.archive, image(1))
    second = 20.0
    while second < 600:
        here.step(second)
        assert here.state is StudyState.OPEN
        second += 1
    assert 5 < pacs.asked < 40  # with growing pauses
    assert here.trace().count("not checked: it is away; asked again until the deadline") == 1
    asked = pacs.asked
    here.step(600)
    assert here.state is StudyState.COMPLETE
    assert pacs.asked == asked
    assert "deadline of 600 s after the first arrival; not checked: it is away" in here.trace()
    assert here.archive.checks.get(UID, 1).state is CheckState.UNCHECKED


def test_a_pacs_that_comes_back_in_time_is_heard(desk):
    pacs = HeldPacs(trouble=PeerUnavailableError("it is away")).add(image(1), image(2))
    here = desk(pacs)
    put(here.archive, image(1))
    here.step(20)
    pacs.trouble = None
    here.step(21)
    assert here.state is StudyState.OPEN  # paused
    here.step(60)
    assert here.archive.studies.record(UID).source_instances == 2
    assert here.archive.checks.get(UID, 1).attempts == 2


def test_one_that_is_away_is_not_asked_for_every_study(desk):
    pacs = HeldPacs(trouble=PeerUnavailableError("it is away"))
    here = desk(pacs)
    for number in range(5):
        put(here.archive, make_file(f"1.{number}.1", f"1.{number}"), at(0))
    while here.step(20):
        pass
    assert pacs.asked == 1


def test_a_pacs_that_refuses_to_answer_is_not_waited_for(desk):
    here = desk(HeldPacs(trouble=PeerRefusedError("it refuses", 0x0122)))
    put(here.archive, image(1))
    here.step()
    assert here.state is StudyState.COMPLETE
    assert "not checked: it refuses" in here.trace()


def test_an_arrival_during_the_comparison_keeps_the_study_open(desk):
    pacs = HeldPacs().add(image(1))
    here = desk(pacs)
    put(here.archive, image(1))
    original = pacs.study

    def meanwhile(uid):
        put(here.archive, image(7), at(19))
        pacs.study = original
        return original(uid)

    pacs.study = meanwhile
    here.step(20)
    assert here.state is StudyState.OPEN
    here.step(30)
    assert here.archive.studies.record(UID).source_instances == 2
    assert here.state is StudyState.COMPLETE


def test_a_late_image_is_compared_anew(desk):
    pacs = HeldPacs().add(image(1))
    here = desk(pacs)
    put(here.archive, image(1))
    here.step(20)
    pacs.add(image(2), image(3))
    put(here.archive, image(2), at(100))
    here.step(120)
    record = here.archive.studies.record(UID)
    assert (record.generation, record.source_instances) == (2, 3)
    assert here.archive.checks.get(UID, 2).state is CheckState.WHOLE
