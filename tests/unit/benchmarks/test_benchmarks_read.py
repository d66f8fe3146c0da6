"""`dicomnode bench read` on tiny series."""

from __future__ import annotations

import json

import pytest

from dicomnode.cli.main import main


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_reader_of_each_syntax_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--slices", "4", "--compressed", "2", "--rows", "64", "--repeats", "1"]
    assert main(["bench", "read", *few, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["series"]
    assert [one["slices"] for one in told] == [4, 2, 2, 2, 2]
    assert {one["transfer_syntax"] for one in told} >= {"Explicit VR Little Endian", "RLE Lossless"}
    names = [reader["name"] for reader in told[1]["readers"]]
    assert names[:3] == ["node, 2 processes", "node, 1 process", "node, in its own process"]
    assert {"pydicom", "MONAI LoadImage", "SimpleITK"} <= set(names)
    assert all(len(reader["seconds"]) == 1 for one in told for reader in one["readers"])


def test_numbers_that_measure_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "read", "--repeats", "0"]) == 2
    assert "--repeats" in capsys.readouterr().err
