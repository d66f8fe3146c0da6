"""`dicomnode bench arrivals` on a handful of instances."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicomnode.cli.main import main


def test_each_way_is_measured_by_turns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["bench", "arrivals", "--tiny", "4", "--slices", "0", "--repeats", "1", "--threads", "2"]
    assert main([*arguments, "--folder", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(cell["way"], cell["threads"]) for cell in told] == [("land", 2), ("commit", 2), ("files", 2)]
    assert all(run["acknowledged"] >= run["indexed"] > 0 for cell in told for run in cell["runs"])
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_measure_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "arrivals", "--repeats", "0"]) == 2
    assert "--repeats" in capsys.readouterr().err
