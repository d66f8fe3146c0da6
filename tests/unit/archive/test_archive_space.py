"""Water marks: when the node refuses, when it accepts again, and that all of its processes agree."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.space import refusal_of
from dicomnode.archive.tallies import Tally
from dicomnode.errors import ArchiveFullError
from dicomnode.settings import NodeSettings, Settings, StorageSettings
from tests.archives import make_file, open_archive, put

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("free", "refusing", "refuses"),
    [(99, False, True), (100, False, False), (199, False, False), (199, True, True), (200, True, False)],
)
def test_between_the_marks_it_goes_on_as_it_was(free: int, refusing: bool, refuses: bool) -> None:
    settings = StorageSettings(refuse_below_mib=100, accept_above_mib=200)
    assert bool(refusal_of(settings, free * MIB, 0, refusing)) is refuses


@pytest.mark.parametrize(
    ("kept", "refusing", "refuses"),
    [(0.9, False, False), (1.0, False, True), (0.95, True, True), (0.89, True, False)],
)
def test_what_is_kept_has_marks_too(kept: float, refusing: bool, refuses: bool) -> None:
    settings = StorageSettings(refuse_below_mib=100, accept_above_mib=2000, maximum_gib=1.0)
    assert bool(refusal_of(settings, 10 * GIB, int(kept * GIB), refusing)) is refuses


def test_every_process_sees_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [10 * GIB]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    monkeypatch.setattr("dicomnode.archive.space._FRESH_SECONDS", 0.0)
    with open_archive(tmp_path) as one, open_archive(tmp_path) as other:
        put(one, make_file())
        free[0] = 511 * MIB
        with pytest.raises(ArchiveFullError, match="511 MiB"):
            put(one, make_file("1.2.3.2"))
        free[0] = 1023 * MIB  # between the marks: the other one was not asked while less was left
        with pytest.raises(ArchiveFullError, match="1024 are needed"):
            put(other, make_file("1.2.3.2"))
        free[0] = 1024 * MIB
        put(other, make_file("1.2.3.2"))
        free[0] = 1023 * MIB
        put(one, make_file("1.2.3.3"))


def test_the_maximum_counts_what_is_kept_and_what_came_since(tmp_path: Path) -> None:
    size = len(make_file())
    settings = Settings(
        node=NodeSettings(data_dir=tmp_path),
        storage=StorageSettings(refuse_below_mib=64, accept_above_mib=64, maximum_gib=2.5 * size / GIB),
    )
    with Archive.open(settings) as archive:
        for number in range(3):
            archive.space._looked_at = 0.0  # a second later
            put(archive, make_file(f"1.2.3.{number}"))
        archive.space._looked_at = 0.0
        with pytest.raises(ArchiveFullError, match="maximum_gib"):
            put(archive, make_file("1.2.3.9"))
    with Archive.open(settings) as archive:
        assert archive.space.look().kept == 3 * size
        with pytest.raises(ArchiveFullError, match="maximum_gib"):
            put(archive, make_file("1.2.3.9"))


def test_tallies_add_up_over_processes(tmp_path: Path) -> None:
    with open_archive(tmp_path) as one, open_archive(tmp_path) as other:
        one.tallies.add([Tally("mr1", "2026-11-21", size=3, instances=1), Tally("?", "2026-11-21", rejected=1)])
        other.tallies.add([Tally("mr1", "2026-11-21", size=4, instances=1, duplicates=1)])
        other.tallies.add([Tally("mr1", "2026-11-22", size=9)])
        assert one.tallies.of_day("2026-11-21") == [
            Tally("?", "2026-11-21", rejected=1),
            Tally("mr1", "2026-11-21", size=7, instances=2, duplicates=1),
        ]
