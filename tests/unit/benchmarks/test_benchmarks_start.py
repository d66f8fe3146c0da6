"""`dicomnode bench start`: what it says of starts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from dicomnode.cli.bench_start import add_start_parser
from dicomnode.errors import UsageError


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    add_start_parser(parser.add_subparsers())
    return parser.parse_args(["--json", "start", *words])


def test_a_start_is_told_with_what_it_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--repeats", "1", "--slices", "1", "--idle-seconds", "0.1", "--folder", str(tmp_path))
    chosen = arguments(*words)
    assert chosen.run(chosen) == 0
    told = json.loads(capsys.readouterr().out)
    (start,) = told["starts"]
    assert 0 < start["listening"] < start["ready"] and start["listening"] < start["answered"]
    assert told["median"] == start
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_nothing_are_refused() -> None:
    chosen = arguments("--repeats", "0")
    with pytest.raises(UsageError, match="--repeats"):
        chosen.run(chosen)
