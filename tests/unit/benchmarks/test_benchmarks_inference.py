"""Images per second of a small network, by itself and through the pool."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest

from dicomnode.benchmarks.inference import Load, measure_bundle
from dicomnode.bundles import Way, load_bundle
from dicomnode.cli.main import main


def quiet(_: str) -> None:
    """Tell nobody."""


def test_every_way_is_measured_alone_and_through_the_pool(make_bundle: Any) -> None:
    load = Load("cpu", batch_size=2, images=3, studies=2, repeats=1, ways=(Way.EAGER, Way.GRAPHS))
    eager, graphs = measure_bundle(load_bundle(make_bundle()), load, quiet)
    assert graphs.problem == "not for this kind of model on cpu"
    assert eager.bare is not None
    assert eager.pool is not None
    assert eager.share is not None
    assert eager.with_preparation is not None
    assert min(eager.bare.least, eager.pool.least, eager.with_preparation.least) > 0
    assert eager.share.median == pytest.approx(eager.pool.median / eager.bare.median, abs=0.01)


def test_the_use_of_a_gpu_is_sampled_while_the_pool_runs(make_bundle: Any, tmp_path: Any, monkeypatch: Any) -> None:
    asked = tmp_path / "nvidia-smi"
    asked.write_text("#!/bin/sh\nfor n in 1 2 3; do echo 97; done\nexec sleep 60\n")
    asked.chmod(asked.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    load = Load("cpu", batch_size=2, images=64, studies=1, repeats=1, ways=(Way.EAGER,))
    (eager,) = measure_bundle(load_bundle(make_bundle()), load, quiet)
    assert eager.utilisation in (97.0, None)  # None where the pool was done before the first line


def test_the_command_prints_a_table_and_json(make_bundle: Any, capsys: Any) -> None:
    few = ["--images", "2", "--studies", "1", "--repeats", "1", "--ways", "eager", "--device", "cpu"]
    path = str(make_bundle())
    assert main(["bench", "infer", "--bundle", path, *few]) == 0
    assert "share of bare" in capsys.readouterr().out
    assert main(["bench", "infer", "--bundle", path, *few, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["bundles"]["small"][0]["way"] == "eager"
    assert main(["bench", "infer", "--bundle", path, "--ways", "steam"]) == 2
