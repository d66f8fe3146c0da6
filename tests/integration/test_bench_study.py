"""``dicomnode bench study`` on tiny studies: node and rivals all answer, and nothing of them stays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomnode.cli.main import main

_TINY = (
    "--slices",
    "3",
    "--rows",
    "64",
    "--mammogram",
    "300x256",
    "--repeats",
    "1",
    "--studies",
    "1",
    "--at-once",
    "2",
)
# Of an idle machine it is 3; the guard is for what makes the node stand still
_MOST_TIMES_NAIVE = 20.0


@pytest.fixture
def all_cores() -> Iterator[None]:
    """The command keeps this process to two cores."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.orthanc
@pytest.mark.dcmtk
@pytest.mark.usefixtures("all_cores")
def test_studies_are_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["bench", "study", *_TINY, "--idle-seconds", "0.1", "--folder", str(tmp_path), "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(turns["modality"], turns["images"]) for turns in told["turns"]] == [("CT", 3), ("MG", 4)]
    for turns in told["turns"]:
        assert all(len(turns[key]) == 1 for key in ("node", "after_last", "everything", "bare", "naive"))
        assert 0 < turns["after_last"][0] <= turns["node"][0] <= turns["everything"][0]
        assert turns["node"][0] < _MOST_TIMES_NAIVE * (turns["naive"][0] + 1)
    assert len(told["slow"]["seconds"]) == 1
    assert told["at_once"]["node"] > 0
    assert told["peak_bytes"] > 1e8
    assert told["idle_percent"] >= 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("--slices", "0"), "--slices"),
        (("--rate", "0"), "--rate"),
        (("--mammogram", "large"), "--mammogram"),
        (("--rows", "1000000"), "has not enough space"),
        ((), "install DCMTK"),
    ],
)
@pytest.mark.usefixtures("all_cores")
def test_what_it_needs_is_said(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: tuple[str, ...],
    word: str,
) -> None:
    if not words:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["bench", "study", "--folder", str(tmp_path), *words]) == 2
    assert word in capsys.readouterr().err
