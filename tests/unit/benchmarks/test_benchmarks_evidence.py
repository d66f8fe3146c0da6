"""`dicomnode bench evidence` on a tiny study."""

from __future__ import annotations

import json

import pytest

from dicomnode.cli.main import main


def test_each_document_is_measured_beside_a_naive_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "evidence", "--slices", "3", "--rows", "64", "--repeats", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["documents"]
    assert [one["name"] for one in told] == ["SR of 1 groups", "SR of 10 groups", "SR of 100 groups", "SEG of 3 slices"]
    assert all(one["bytes"] > 1000 and len(one["node"]) == len(one["naive"]) == 1 for one in told)
    # A hundred groups take a quarter of the time; the guard is for copies that come back
    assert told[2]["ratio"] < 0.9


def test_numbers_that_measure_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "evidence", "--repeats", "0"]) == 2
    assert "--repeats" in capsys.readouterr().err
