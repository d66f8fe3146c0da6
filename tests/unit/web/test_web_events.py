"""Server-sent events: what is told, to whom, how often, and that a server with listeners ends at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import anyio
import httpx
import pytest

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.changes import Moment, Topic
from dicomnode.errors import ArchiveError, TooManyTriesError
from dicomnode.settings import Settings
from dicomnode.web import server as server_module
from dicomnode.web.api import events as events_module
from dicomnode.web.api.bulletin import Bulletin
from tests.serving import serving
from tests.unit.web.conftest import Client, Store
from tests.unit.web.signed_in import Clock, make_account, make_token

EVENTS = "/api/v1/events"


@pytest.fixture
def on_any_port(settings: Settings) -> Settings:
    return settings.model_copy(update={"web": settings.web.model_copy(update={"port": 0})})


@pytest.fixture
def asking_who(closed: Settings) -> Settings:
    return closed.model_copy(update={"web": closed.web.model_copy(update={"port": 0})})


def test_a_stream_tells_what_changes(archive: Archive, on_any_port: Settings, store: Store) -> None:
    with (
        serving(archive, on_any_port) as url,
        httpx.stream("GET", f"{url}{EVENTS}?names=studies,jobs", timeout=30) as answer,
    ):
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = answer.iter_lines()
        assert next(lines) == "retry: 3000"
        assert told_after(lines, lambda number: store(number=number)) == ("studies", ["1.2.1"])


def told_after(lines: Iterator[str], change: object) -> tuple[str, list[str]]:
    """The next event, while something changes again and again: the first look may come after the first change."""
    done = threading.Event()

    def go_on() -> None:
        number = 1
        while not done.is_set():
            change(number)  # type: ignore[operator]
            number += 1
            done.wait(0.5)

    changing = threading.Thread(target=go_on)
    changing.start()
    try:
        name = next(line for line in lines if line.startswith("event:"))
        return name.removeprefix("event: "), json.loads(next(lines).removeprefix("data: "))
    finally:
        done.set()
        changing.join(10)


def test_a_server_ends_while_somebody_listens(
    archive: Archive, on_any_port: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening, ended = threading.Event(), threading.Event()

    def listen(url: str) -> None:
        with httpx.Client(timeout=30) as client, client.stream("GET", f"{url}{EVENTS}") as answer:
            for _ in answer.iter_lines():
                listening.set()
        ended.set()

    monkeypatch.setattr(server_module, "_GRACE_SECONDS", 600)  # longer than `serving` waits for the end
    with serving(archive, on_any_port) as url:
        listener = threading.Thread(target=listen, args=(url,))
        listener.start()
        assert listening.wait(30)
    listener.join(30)
    assert ended.is_set()


def test_only_those_who_may_look_listen(archive: Archive, asking_who: Settings, clock: Clock) -> None:
    clock.time = datetime.now(UTC)
    make_account(archive, "sender", Role.SENDER, clock)
    with serving(archive, asking_who) as url:
        assert httpx.get(f"{url}{EVENTS}", timeout=30).status_code == 401
        token = make_token(archive, "sender", Role.SENDER, clock)
        assert httpx.get(f"{url}{EVENTS}", headers=token, timeout=30).status_code == 403


def test_a_stream_ends_when_its_login_does(
    archive: Archive, asking_who: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_BEAT_SECONDS", 0.2)
    clock.time = datetime.now(UTC)
    make_account(archive, "eva", Role.ADMIN, clock)
    make_account(archive, "tom", Role.ADMIN, clock)
    token = make_token(archive, "tom", Role.VIEWER, clock)
    with (
        serving(archive, asking_who) as url,
        httpx.stream("GET", f"{url}{EVENTS}", headers=token, timeout=30) as answer,
    ):
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": "
        archive.accounts.set_disabled("tom", True, clock())
        assert all(not line.startswith("event") for line in lines)  # to its end


def test_other_names_are_refused(client: Client) -> None:
    answer = client.get(f"{EVENTS}?names=studies,secrets")
    assert answer.status_code == 400
    assert "alarms, deliveries, jobs, models, peers, studies" in answer.json()["detail"]


def test_one_look_serves_all_and_one_client_listens_a_few_times() -> None:
    looks: list[int] = []

    def look() -> Moment:
        looks.append(1)
        if len(looks) == 2:
            raise ArchiveError("the index stayed locked")
        return Moment({Topic.JOBS: {number: (f"1.{number}",) for number in range(len(looks))}})

    async def run() -> None:
        bulletin = Bulletin(look, dict, seconds=0.01)
        with bulletin.listening("eva") as first, bulletin.listening("tom") as second:
            assert await first.take(10) == await second.take(10) != {}
            opened = [bulletin.listening("eva") for _ in range(11)]
            for one in opened:
                one.__enter__()
            with pytest.raises(TooManyTriesError, match="close some pages"):
                bulletin.admit("eva")
            bulletin.admit("tom")
            for one in opened:
                one.__exit__(None, None, None)
        looked = len(looks)
        await anyio.sleep(0.2)
        assert len(looks) <= looked + 1

    anyio.run(run)
