"""Completion that learns: 10,000 simulated studies of many kinds of senders, and what the index remembers of them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.habits import Brought, Ended, Habit, Lesson, ended_once
from dicomnode.archive.records import OpenStudy
from dicomnode.intake.completion import close_due_studies, is_complete
from dicomnode.intake.sending import Sending
from dicomnode.settings import CompletionSettings
from tests.archives import at, make_file, open_archive, put
from tests.deliveries import Clock

POLICY = CompletionSettings(quiet_period_seconds=10, deadline_seconds=600)
STUDIES = 10_000


@dataclass(frozen=True)
class Burst:
    """One association: when it begins and ends, in seconds, how it ends, and which images it brings."""

    begin: float
    end: float
    clean: bool
    images: tuple[int, ...]


@dataclass
class Device:
    """A sender, and what the node has learnt of it."""

    kind: str
    protocols: list[int]  # series of each
    ended: dict[object, list[int]] = field(default_factory=lambda: defaultdict(list))
    goes_on: bool = False


def bursts(device: Device, series: int, images: int, rng: random.Random) -> Iterator[Burst]:
    """How a device sends a study of so many images."""
    kind = device.kind
    late = rng.random() < {"late": 0.1, "workstation": 0.3, "jobs": 0.6}.get(kind, 0.0)
    parts = {"series": series, "image": images, "parallel": rng.randint(2, 4)}.get(kind, 1)
    if kind == "broken" and rng.random() < 0.3:
        parts = 2
    missing = rng.randrange(1, images) if kind == "skips" and rng.random() < 0.1 else None
    now = 0.0
    for part in range(parts):
        numbers = tuple(n for n in range(1, images + 1) if n % parts == part and n != missing)
        seconds = sum(rng.expovariate(20) for _ in numbers) + (rng.uniform(0, 30) if rng.random() < 0.1 else 0)
        begin = rng.uniform(0, 0.05) if kind == "parallel" else now
        broken = kind == "broken" and part < parts - 1
        yield Burst(begin, begin + seconds, not broken, numbers)
        now = max(now, begin + seconds) + rng.choice([rng.uniform(0.05, 1), rng.uniform(1, 9), rng.uniform(9, 200)])
    if late or missing is not None:
        pause = rng.uniform(0.5, 30) if missing is not None or kind == "jobs" else rng.uniform(2, 500)
        yield Burst(now + pause, now + pause + 1, True, (missing or images + 1,))


@dataclass
class Outcome:
    """What became of the simulated studies."""

    wrong: int = 0
    early: int = 0
    by_kind: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def opened(sent: Sequence[Burst], now: float) -> OpenStudy:
    """The study as the index shows it at a moment."""
    begun = [burst for burst in sent if burst.begin <= now]
    over = [burst for burst in begun if burst.end <= now]
    last = max(min(burst.end, now) for burst in begun)
    released = max((at(burst.end) for burst in over), default=None)
    count = sum(len(burst.images) for burst in begun)
    once = ended_once(brought(begun, now))
    return OpenStudy("1.2", at(0), at(last), count, len(begun) - len(over), released, ended_once=once)


def brought(sent: Sequence[Burst], now: float) -> list[Brought]:
    return [Brought(at(item.begin), at(item.end) if item.end <= now else None, item.clean) for item in sent]


def looks(sent: Sequence[Burst], now: float, protocol: int) -> tuple[object, int]:
    """As `habits` describes a study: what it is called, and whether its numbers are without gaps."""
    numbers = [number for burst in sent if burst.begin <= now for number in burst.images]
    return (protocol, min(numbers), max(numbers) - min(numbers) + 1 == len(numbers)), len(numbers)


def simulate(device: Device, rng: random.Random, outcome: Outcome) -> None:
    """One study from its first image to the lesson that it teaches."""
    protocol = rng.randrange(len(device.protocols))
    sent = list(bursts(device, device.protocols[protocol], rng.randint(20, 60), rng))
    ends = sorted({burst.end for burst in sent})
    for end in ends:
        following = min((burst.begin for burst in sent if burst.begin > end), default=float("inf"))
        for wait in (0.0, 0.26, rng.uniform(0, 10), 10.0):
            now = end + wait
            if now >= following:
                break
            signature, images = looks(sent, now, protocol)
            known = device.ended[signature]
            habit = Habit(len(known), min(known, default=0), images, device.goes_on)
            decision = is_complete(opened(sent, now), POLICY, at(now), lambda habit=habit: habit)
            if not decision.close:
                continue
            outcome.early += not decision.waited
            outcome.by_kind[device.kind] += not decision.waited
            outcome.wrong += not decision.waited and following < end + POLICY.quiet_period_seconds
            taught(device, sent, now, following, waited=decision.waited, looked=(signature, images))
            return
        assert not any(burst.begin <= end < burst.end for burst in sent) or not decision.close


def taught(
    device: Device, sent: Sequence[Burst], now: float, following: float, *, waited: bool, looked: tuple[object, int]
) -> None:
    """What the closed study teaches, and what it teaches when more comes."""
    lessons = {Ended(brought([b for b in sent if b.begin <= now], now), None, waited).lesson()}
    if following != float("inf"):
        lessons.add(Ended((), timedelta(seconds=following - now), waited=True).lesson())
    device.goes_on |= Lesson.GOES_ON in lessons
    if Lesson.ENDS in lessons:
        device.ended[looked[0]].append(looked[1])


def test_no_study_is_closed_too_early_in_10000_simulated_arrivals() -> None:
    rng = random.Random(20260101)
    kinds = ["one"] * 16 + ["series", "image", "parallel", "late", "workstation", "broken", "skips", "jobs"] * 3
    devices = [Device(kind, [rng.randint(1, 4) for _ in range(3)] + [2]) for kind in kinds]
    outcome = Outcome()
    for _ in range(STUDIES):
        simulate(rng.choice(devices), rng, outcome)
    assert outcome.wrong == 0
    # What it is for: most studies of senders that send each in one association are not waited for
    assert outcome.by_kind["one"] > 0.5 * STUDIES * kinds.count("one") / len(kinds)
    assert sum(outcome.by_kind[kind] for kind in ("series", "image", "parallel", "workstation", "jobs")) == 0


@pytest.mark.parametrize(
    ("times", "lesson"),
    [
        ([(0, 5, True)], Lesson.ENDS),
        ([(0, 5, False)], Lesson.NOTHING),  # aborted
        ([(0, None, True)], Lesson.NOTHING),
        ([(0, 5, True), (6, 9, True)], Lesson.GOES_ON),
        ([(6, 9, True), (0, 5, True)], Lesson.GOES_ON),
        ([(0, 5, True), (4, 9, True)], Lesson.NOTHING),  # side by side
        ([(0, 5, False), (6, 9, True)], Lesson.NOTHING),  # after a break, of course it goes on
        ([(0, 5, True), (1, 3, True), (6, 9, True)], Lesson.GOES_ON),
        ([(None, 5, True)], Lesson.ENDS),
        ([], Lesson.NOTHING),
    ],
)
def test_what_associations_teach(times: Sequence[tuple[float | None, float | None, bool]], lesson: Lesson) -> None:
    items = [
        Brought(None if begin is None else at(begin), None if end is None else at(end), clean)
        for begin, end, clean in times
    ]
    assert Ended(items, None, waited=True).lesson() is lesson
    assert Ended(items, timedelta(minutes=1), waited=True).lesson() is Lesson.GOES_ON
    assert Ended(items, timedelta(hours=1), waited=True).lesson() is Lesson.NOTHING
    assert Ended(items[:1], None, waited=False).lesson() is Lesson.NOTHING


FAST = CompletionSettings(quiet_period_seconds=10, deadline_seconds=600, adaptive_after_studies=2)


def send(archive: Archive, clock: Clock, study: str, numbers: Sequence[int], *, released: bool = True) -> None:
    sending = Sending(archive, clock)
    for number in numbers:
        sending.touch(study)
        uid = f"{study}.1.{number}"
        put(archive, make_file(uid, study, InstanceNumber=number, SeriesInstanceUID=f"{study}.1"), clock())
    if released:
        sending.released()
    sending.close()


def learnt(archive: Archive, clock: Clock, studies: Sequence[str]) -> None:
    for study in studies:
        send(archive, clock, study, (1, 2, 3))
        clock.seconds += 10
        assert close_due_studies(archive, FAST, clock()).closed == [(study, 1)]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path) as opened:
        yield opened


def closes_at_once(archive: Archive, clock: Clock) -> bool:
    clock.seconds += 0.3
    return bool(close_due_studies(archive, FAST, clock()).closed)


def test_a_habit_closes_a_study_at_the_release_and_its_trace_says_so(archive: Archive) -> None:
    clock = Clock()
    learnt(archive, clock, ["1.1", "1.2"])
    send(archive, clock, "1.3", (1, 2, 3, 4))
    assert close_due_studies(archive, FAST, clock()).closed == []  # its next association may be about to begin
    assert closes_at_once(archive, clock)
    assert "nothing followed in 2 such studies of its sender" in archive.traces.list("1.3")[0].text


@pytest.mark.parametrize(
    ("numbers", "released"), [((1, 2), True), ((1, 2, 4), True), ((2, 3, 4), True), ((1, 2, 3), False)]
)
def test_what_differs_from_the_habit_is_waited_for(archive: Archive, numbers: Sequence[int], released: bool) -> None:
    clock = Clock()
    learnt(archive, clock, ["1.1", "1.2"])
    send(archive, clock, "1.3", numbers, released=released)
    assert not closes_at_once(archive, clock)
    clock.seconds += 10
    assert close_due_studies(archive, FAST, clock()).closed == [("1.3", 1)]


def test_a_device_that_went_on_is_never_trusted_again(archive: Archive) -> None:
    clock = Clock()
    learnt(archive, clock, ["1.1", "1.2"])
    send(archive, clock, "1.3", (1, 2, 3))
    assert closes_at_once(archive, clock)
    send(archive, clock, "1.3", (4,))  # wrong: it is open again, and analysed anew
    clock.seconds += 10
    assert close_due_studies(archive, FAST, clock()).closed == [("1.3", 2)]
    send(archive, clock, "1.4", (1, 2, 3))
    assert not closes_at_once(archive, clock)


def test_it_can_be_switched_off(archive: Archive) -> None:
    clock = Clock()
    learnt(archive, clock, ["1.1", "1.2"])
    send(archive, clock, "1.3", (1, 2, 3))
    clock.seconds += 1
    assert close_due_studies(archive, FAST.model_copy(update={"adaptive": False}), clock()).closed == []
