"""Rounds of echoes: every system of the settings, the last answer kept, changes told in the log."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Event

import pytest

from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.errors import ArchiveError
from dicomnode.settings import Settings
from dicomnode.watch.echoing import EchoRounds
from tests.archives import open_archive
from tests.deliveries import Clock

URL = "http://127.0.0.1:1/dicom-web"


class Peers:
    """Answer, or do not."""

    def __init__(self) -> None:
        self.away: set[str] = set()

    def __call__(self, kind: PeerKind, name: str, _settings: Settings, now: datetime) -> Echo:
        good = name not in self.away
        return Echo(kind, name, now, good, "yes" if good else "no answer", 5)


def settings(**watch: float) -> Settings:
    named = {"targets": "t", "pacs": "p", "pollers": "q"}
    peers = {kind: [{"name": name, "url": URL}] for kind, name in named.items()}
    return Settings.model_validate({**peers, "watch": watch})


def test_every_system_is_asked_and_what_changes_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="dicomnode.watch")
    peers, stop = Peers(), Event()
    with open_archive(tmp_path) as archive:
        rounds = EchoRounds(archive, settings(), Clock(), peers)
        caplog.clear()
        rounds.ask_all(stop)
        assert [(echo.kind, echo.name, echo.good) for echo in archive.echoes.list()] == [
            ("pacs", "p", True),
            ("poller", "q", True),
            ("target", "t", True),
        ]
        assert caplog.text == ""
        peers.away = {"p"}
        for _ in range(2):
            rounds.ask_all(stop)
        assert caplog.text.count("pacs p does not answer as it should: no answer") == 1
        peers.away = set()
        rounds.ask_all(stop)
        assert "pacs p answers again" in caplog.text


def test_rounds_end_when_told_and_bear_an_index_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stop = Event()

    def ask(*_: object) -> Echo:
        stop.set()
        raise ArchiveError("the index is locked")

    with open_archive(tmp_path) as archive:
        EchoRounds(archive, settings(echo_minutes=0.0001), Clock(), ask).run(stop)
    assert "asked later: the index is locked" in caplog.text
