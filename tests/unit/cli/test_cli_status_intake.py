"""What `dicomnode status` says of what comes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.space import Space
from dicomnode.archive.tallies import Tally
from dicomnode.cli.status_intake import read_intake, told
from dicomnode.settings import Settings
from tests.archives import NOW


def test_counts_of_today_and_what_needs_attention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({"node": {"data_dir": tmp_path}})
    with Archive.open(settings) as archive:
        archive.tallies.add(
            [
                Tally("?", "2026-11-21", rejected=3),
                Tally("mr1", "2026-11-21", size=3 << 20, instances=5, duplicates=1, conflicts=1),
                Tally("mr1", "2026-11-20", instances=9),
            ]
        )
        monkeypatch.setattr(archive.space, "look", lambda: Space(5 << 20, 0, "only 5 MiB"))
        intake = read_intake(archive, settings, NOW)
    assert (intake.free_mib, intake.refusal) == (5, "only 5 MiB")
    assert intake.peers["mr1"]["instances"] == 5
    assert told(intake.peers) == [
        ("strangers", "0 instances, 3 rejected"),
        ("mr1", "5 instances, 3.0 MiB, 1 duplicates, 1 conflicts"),
    ]
    assert [line.split(":")[0].split(" ", 1)[0] for line in intake.attention] == ["instances", "no", "3", "1"]


@pytest.mark.parametrize(
    "settings",
    [{"receive": {"accept_unknown_peers": True}}, {"peers": [{"name": "mr1", "ae_title": "MR1"}]}],
)
def test_somebody_who_may_store_is_enough(tmp_path: Path, settings: dict[str, object]) -> None:
    chosen = Settings.model_validate({"node": {"data_dir": tmp_path}} | settings)
    with Archive.open(chosen) as archive:
        assert read_intake(archive, chosen, NOW).attention == ()
