"""When the dispatch role deletes: by age, and, if so set, only while the disk runs short."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from dicomnode.archive import Archive
from dicomnode.intake.retention import Retention
from dicomnode.settings import RetentionSettings, TargetSettings
from tests.archives import NOW, at, complete, make_file, open_archive, put

MIB = 1 << 20


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """With three studies that no model was given, a day apart."""
    with open_archive(tmp_path) as opened:
        for number in range(3):
            moment = NOW + timedelta(days=number)
            put(opened, make_file(f"1.{number}.1", f"1.{number}"), moment)
            complete(opened, f"1.{number}", moment)
            opened.jobs.add_all(f"1.{number}", 1, [], [], moment)
        yield opened


def retention(archive: Archive, **settings: object) -> Retention:
    return Retention(archive, RetentionSettings.model_validate(settings), (), lambda: NOW + timedelta(days=11))


def left(archive: Archive) -> set[str]:
    return {record.study_instance_uid for record in archive.studies.list()}


@pytest.mark.parametrize(
    ("days", "stay"), [(9.5, {"1.2"}), (20, {"1.0", "1.1", "1.2"}), (None, {"1.0", "1.1", "1.2"}), (1, set())]
)
def test_only_what_is_old_enough_goes(archive: Archive, days: float | None, stay: set[str]) -> None:
    assert retention(archive, days=days).round() == 3 - len(stay)
    assert left(archive) == stay


def test_with_a_mark_the_oldest_go_until_there_is_room(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive.space, "free", lambda: (100 + 100 * (3 - len(left(archive)))) * MIB)
    assert retention(archive, days=1, start_below_mib=100).round() == 0
    assert retention(archive, days=1, start_below_mib=201).round() == 2
    assert left(archive) == {"1.2"}


def test_a_mark_without_an_age_is_refused() -> None:
    with pytest.raises(ValidationError, match="without days"):
        RetentionSettings(start_below_mib=1000)


@pytest.mark.parametrize(("proof", "asked"), [(None, []), ("none", []), ("commitment", ["t"]), ("read-back", ["t"])])
def test_targets_that_ask_for_proof_are_known(archive: Archive, proof: str | None, asked: list[str]) -> None:
    target = TargetSettings.model_validate({"name": "t", "url": "https://t.example.org", "proof": proof})
    assert Retention(archive, RetentionSettings(), (target,), lambda: at(0))._proving == asked
