"""``dicomnode bench send`` with a few small slices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicomnode.cli.main import main


@pytest.mark.orthanc
@pytest.mark.dcmtk
def test_each_way_of_sending_is_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["bench", "send", "--instances", "9", "--rows", "32", "--repeats", "1", "--folder", str(tmp_path), "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)["senders"]
    assert [one["name"] for one in told] == ["storescu", "4 storescu", "node, 1 connections", "node, 4 connections"]
    assert all(one["instances"] == 8 and one["rate"] > 0 for one in told)
    # An idle machine sends such slices faster than storescu; the guard is for pauses between them
    assert told[3]["rate"] > told[1]["rate"] / 20
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_measure_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "send", "--instances", "3"]) == 2
    assert "--instances" in capsys.readouterr().err
