"""Notifications: what is found, who is told of it, in which words, and that nobody is told twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.archive.records import JobKind, NewJob
from dicomnode.errors import PeerUnavailableError, SettingsError
from dicomnode.settings import Settings
from dicomnode.settings.notifications import NotificationSettings
from dicomnode.watch.alarm import AlarmKind
from dicomnode.watch.alarms import gather_alarms
from dicomnode.watch.notices.notifier import Notifier, end_of_quiet
from dicomnode.watch.notices.wording import Message, put_into_words
from tests.archives import at, complete, make_file, open_archive, put
from tests.deliveries import Clock

CHANNEL = {"name": "team", "url": "env:TEAM"}
FINDINGS = '{"outcome": "findings", "answer": {"score": 0.87}}'


class Outside:
    """Takes messages, or does not."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, Message]] = []
        self.away = False

    def __call__(self, channel: NotificationSettings, event: str, values: Mapping[str, str], message: Message) -> None:
        assert "patient" not in " ".join(values).lower()
        if self.away:
            raise PeerUnavailableError("nobody answers")
        self.taken.append((channel.name, event, message))


class Bench:
    """An archive, a clock, and a notifier for channels of the test's choice."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        self.archive = archive
        self.folder = folder
        self.clock = Clock(0.0)
        self.outside = Outside()

    def notifier(self, *channels: dict[str, Any], **more: Any) -> Notifier:
        values = {"node": {"data_dir": self.folder}, "watch": {"disk_warning_mib": 0}, **more}
        self.settings = Settings.model_validate({**values, "notifications": [{**CHANNEL, **c} for c in channels]})
        return Notifier(self.archive, self.settings, self.outside, self.clock, lambda: 0.5)

    def turn(self, notifier: Notifier, seconds: float) -> list[str]:
        """A round at a moment; the events that were told in it."""
        self.clock.seconds = seconds
        before = len(self.outside.taken)
        notifier.look()
        notifier.send_due(Event())
        return [event for _, event, _ in self.outside.taken[before:]]

    def answer(self, seconds: float, study: str = "1.2.3", model: str = "brain", **job: Any) -> None:
        """A job that ends at a moment; ``error``: it fails."""
        put(self.archive, make_file(f"{study}.{int(seconds)}", study, AccessionNumber="A77"), at(seconds - 2))
        generation = complete(self.archive, study, at(seconds - 1))
        new = NewJob(model, "d", JobKind.INFER, "", (f"{study}.9",), (), job.get("silent", False))
        self.archive.jobs.add_all(study, generation, [new], [], at(seconds - 1))
        leased = self.archive.jobs.lease("me", at(seconds), 60)
        assert leased is not None
        if "error" in job:
            self.archive.jobs.fail(leased.job_id, "me", job["error"], at(seconds))
        else:
            self.archive.jobs.finish(leased.job_id, "me", [], job.get("result", FINDINGS), at(seconds))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_archive(tmp_path) as archive:
        for role in ("receive", "dispatch", "infer", "web"):
            archive.node_leases.claim(role, at(0), 30.0, alone=False)
        yield Bench(archive, tmp_path)


def test_a_positive_study_is_told_once(bench: Bench) -> None:
    notifier = bench.notifier({})
    assert bench.turn(notifier, 0) == []
    bench.answer(10)
    assert bench.turn(notifier, 15) == ["positive"]
    [(channel, _, message)] = bench.outside.taken
    assert channel == "team"
    assert message.subject == "[DICOMNODE] brain: positive"
    assert "score 0.87" in message.body
    assert "Study 1.2.3," in message.body
    assert "no human has verified" in message.body
    assert bench.turn(notifier, 20) == []
    bench.answer(100)  # a late image: the same study is positive again
    assert bench.turn(bench.notifier({}), 105) == []  # and another process looks


def test_nothing_of_the_patient_is_told_unless_asked_for(bench: Bench) -> None:
    open_words = {"positive": {"body": "{{ accession }}|{{ patient_name }}|{{ patient_id }}"}}
    notifier = bench.notifier(
        {"templates": open_words}, {"name": "ris", "templates": open_words, "include_accession": True}
    )
    bench.turn(notifier, 0)
    bench.answer(10)
    assert bench.turn(notifier, 15) == ["positive", "positive"]
    assert {channel: message.body for channel, _, message in bench.outside.taken} == {"team": "||", "ris": "A77||"}


@pytest.mark.parametrize(
    ("channel", "answer"),
    [
        ({"events": ["failed"]}, {}),
        ({"models": ["chest"]}, {}),
        ({"minimum_score": 0.9}, {}),
        ({}, {"silent": True}),
        ({}, {"result": '{"outcome": "no_findings"}'}),
        ({"models": ["chest"]}, {"error": "no memory"}),
    ],
)
def test_what_is_not_a_channels_business(bench: Bench, channel: dict[str, Any], answer: dict[str, Any]) -> None:
    notifier = bench.notifier(channel)
    bench.turn(notifier, 0)
    bench.answer(10, **answer)
    assert bench.turn(notifier, 15) == []


def test_a_failed_job_is_told_with_its_reason(bench: Bench) -> None:
    notifier = bench.notifier({"models": ["brain"]})
    bench.turn(notifier, 0)
    bench.answer(10, error="no memory")
    assert bench.turn(notifier, 15) == ["failed"]
    assert "brain failed: no memory." in bench.outside.taken[0][2].body


def test_what_happened_before_a_channel_was_set_is_not_told(bench: Bench) -> None:
    bench.answer(10)
    assert bench.turn(bench.notifier({}), 1000) == []
    assert bench.turn(bench.notifier({}), 1005) == []


def test_a_study_that_is_stuck_is_told_once_it_has_lasted(bench: Bench) -> None:
    notifier = bench.notifier({"after_minutes": 1.0})
    bench.turn(notifier, 0)
    put(bench.archive, make_file(), at(1))
    stuck = 1 + 600 + 1800 + 1
    assert bench.turn(notifier, stuck) == []
    assert bench.turn(notifier, stuck + 59) == []
    assert bench.turn(bench.notifier({"after_minutes": 1.0}), stuck + 61) == ["stuck"]
    assert bench.turn(notifier, stuck + 70) == []
    assert "Study 1.2.3 does not move" in bench.outside.taken[0][2].subject


def test_a_peer_that_goes_away_again_is_told_again(bench: Bench) -> None:
    target = [{"name": "pacs", "url": "http://127.0.0.1:1/dicom-web"}]
    notifier = bench.notifier({"after_minutes": 0}, targets=target)
    echoes = bench.archive.echoes
    for begin in (10, 110):
        echoes.note(Echo(PeerKind.TARGET, "pacs", at(begin), False, "refused", 1))
        assert bench.turn(notifier, begin + 1) == ["peer-away"]
        echoes.note(Echo(PeerKind.TARGET, "pacs", at(begin + 20), True, "ok", 1))
        assert bench.turn(notifier, begin + 21) == []


def test_other_alarms_are_told_to_who_wants_them(bench: Bench) -> None:
    some, every = {"name": "some"}, {"name": "every", "events": ["alarm", "disk-low"], "after_minutes": 0}
    notifier = bench.notifier(some, every, watch={"disk_warning_mib": 1 << 40})
    bench.archive.node_leases.release()
    assert set(bench.turn(notifier, 40)) == {"alarm", "disk-low"}
    assert {channel for channel, _, _ in bench.outside.taken} == {"every"}


def test_what_is_not_taken_is_tried_again_and_given_up_after_a_day(bench: Bench) -> None:
    notifier = bench.notifier({})
    bench.turn(notifier, 0)
    bench.answer(10)
    bench.outside.away = True
    assert bench.turn(notifier, 15) == []
    [waiting] = bench.archive.notifications.newest()
    assert (waiting.attempts, waiting.problem) == (1, "nobody answers")
    assert at(15.5) <= waiting.next_attempt <= at(16)
    assert bench.turn(notifier, 15.2) == []
    assert bench.archive.notifications.newest()[0].attempts == 1
    assert bench.turn(notifier, 15 + 86400) == []
    [waiting] = bench.archive.notifications.newest()
    assert waiting.given_up
    kinds = {alarm.kind for alarm in gather_alarms(bench.archive, bench.settings, bench.clock())}
    assert AlarmKind.NOTIFICATIONS in kinds
    bench.outside.away = False
    assert bench.turn(notifier, 15 + 90000) == []


def test_a_message_reaches_a_channel_that_comes_back(bench: Bench) -> None:
    notifier = bench.notifier({})
    bench.turn(notifier, 0)
    bench.answer(10)
    bench.outside.away = True
    bench.turn(notifier, 15)
    bench.outside.away = False
    assert bench.turn(notifier, 60) == ["positive"]
    assert bench.archive.notifications.newest()[0].sent_at == at(60)


def test_quiet_hours_are_waited_for(bench: Bench) -> None:
    local = bench.clock().astimezone()
    begin, end = local - timedelta(hours=1), local + timedelta(hours=1)
    quiet = NotificationSettings.model_validate({**CHANNEL, "quiet_hours": f"{begin:%H:%M}-{end:%H:%M}"})
    until = end_of_quiet(quiet, bench.clock())
    assert until is not None
    assert until.astimezone().strftime("%H:%M") == f"{end:%H:%M}"
    assert timedelta(minutes=59) < until - bench.clock() <= timedelta(hours=1)
    assert end_of_quiet(quiet, until) is None
    other_day = NotificationSettings.model_validate({**CHANNEL, "quiet_hours": f"{end:%H:%M}-{begin:%H:%M}"})
    assert end_of_quiet(other_day, bench.clock()) is None
    notifier = bench.notifier({"quiet_hours": quiet.quiet_hours})
    bench.turn(notifier, 0)
    bench.answer(10)
    assert bench.turn(notifier, 15) == []
    assert bench.turn(notifier, 3601) == ["positive"]


def test_templates_cannot_reach_out_of_their_sandbox(bench: Bench) -> None:
    words = {"positive": {"subject": "{{ ''.__class__.__mro__[1].__subclasses__() }}"}}
    channel = NotificationSettings.model_validate({**CHANNEL, "templates": words})
    with pytest.raises(SettingsError, match=r"notifications\.team"):
        put_into_words("positive", {}, channel, "NODE")
    notifier = bench.notifier({"templates": {"positive": {"body": "{{ 1 / 0 }}"}}})
    bench.turn(notifier, 0)
    bench.answer(10)
    assert bench.turn(notifier, 15) == []
    assert "cannot be filled in" in bench.archive.notifications.newest()[0].problem


@pytest.mark.parametrize(
    "wrong",
    [
        {"quiet_hours": "25:00-06:00"},
        {"quiet_hours": "06:00-06:00"},
        {"templates": {"positive": {"body": "{{ unclosed"}}},
        {"templates": {"no such event": {}}},
        {"url": "mailto://user:password@mail.example.org"},
        {"minimum_score": 2},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NotificationSettings.model_validate({**CHANNEL, **wrong})


def test_trouble_of_any_kind_leaves_the_part_running(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    notifier, stop = bench.notifier({}), Event()

    def broken(_now: datetime) -> None:
        stop.set()
        raise ZeroDivisionError("a fault of ours")

    bench.archive.node_leases.roles = broken  # type: ignore[method-assign,assignment]
    notifier.run(stop)
    assert "found and sent later" in caplog.text
