"""``dicomnode models tune``: what it prints and writes, and who uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dicomnode.bundles import REFERENCE, TUNING, Way, bundle_digest, read_tunings
from dicomnode.cli.main import main

FEW = ["--device", "cpu", "--repeats", "1", "--ways", "channels-last", "--longest-start", "1000"]


@pytest.fixture
def settings(tmp_path: Path, make_bundle: Any) -> tuple[Path, Path]:
    """A settings file, and the bundle in its models folder."""
    bundle: Path = make_bundle()
    path = tmp_path / "dicomnode.toml"
    path.write_text(f'[node]\ndata_dir = "{tmp_path / "data"}"\n[models]\nfolder = "{bundle.parent}"\n')
    return path, bundle


def test_a_bundle_is_tuned_shown_and_keeps_its_digest(settings: tuple[Path, Path], capsys: Any) -> None:
    file, bundle = settings
    before = bundle_digest(bundle)
    assert main(["models", "tune", "small", *FEW, "--settings", str(file)]) == 0
    assert "channels-last" in capsys.readouterr().out
    (tuning,) = read_tunings(bundle)
    assert {one.way for one in tuning.ways} == {Way.EAGER, Way.CHANNELS_LAST}
    assert bundle_digest(bundle) == before
    assert main(["models", "show", "small", "--json", "--settings", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["tuned"] == {tuning.device: tuning.chosen.value}


def test_a_dry_run_leaves_the_bundle_as_it_is(settings: tuple[Path, Path], capsys: Any) -> None:
    file, bundle = settings
    assert main(["models", "tune", "small", *FEW, "--dry-run", "--json", "--settings", str(file)]) == 0
    (values,) = json.loads(capsys.readouterr().out)
    assert [way["not_used_because"] for way in values["ways"]] == ["", ""]
    assert not (bundle / TUNING).exists()
    assert not (bundle / REFERENCE).exists()


@pytest.mark.parametrize("wrong", [["--ways", "steam"], ["--repeats", "0"], ["--batch-size", "0"]])
def test_what_measures_nothing_is_refused(settings: tuple[Path, Path], capsys: Any, wrong: list[str]) -> None:
    assert main(["models", "tune", "small", *wrong, "--settings", str(settings[0])]) == 2
    assert wrong[0] in capsys.readouterr().err
