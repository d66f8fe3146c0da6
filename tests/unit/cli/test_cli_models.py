"""``dicomnode models``: what is there, does it run, may it run."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dicomnode.cli.main import main
from tests.exam_networks import bright_gmic


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs ``models ...`` with a settings file, gives the exit status and the values that ``--json`` printed."""
    settings = tmp_path / "node.toml"
    settings.write_text('[node]\ndata_dir = "data"\n[models]\nfolder = "models"\n')

    def call(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        status = main(["models", *words, "--settings", str(settings), "--json"])
        text = capsys.readouterr().out
        return status, json.loads(text) if text else None

    return call


def states(run: Any) -> dict[str, str]:
    return {item["name"]: item["state"] for item in run("list")[1]}


def test_a_dropped_bundle_waits_until_it_is_approved(run: Any, make_bundle: Any, tmp_path: Path) -> None:
    make_bundle(weights=False)
    assert states(run) == {"small": "waiting"}
    assert not (tmp_path / "data").exists()  # asking makes nothing
    for state in ("silent", "live", "off"):
        assert run("set", "small", state)[0] == 0
        assert states(run) == {"small": state}


def test_a_changed_bundle_waits_again(run: Any, make_bundle: Any) -> None:
    path = make_bundle(weights=False)
    assert run("set", "small", "live")[0] == 0
    (path / "models" / "model.safetensors").write_bytes(b"other weights")
    (listed,) = run("list")[1]
    assert (listed["state"], "changed since" in listed["note"]) == ("waiting", True)


def test_a_broken_bundle_says_why(run: Any, make_bundle: Any) -> None:
    path = make_bundle(weights=False)
    (path / "configs" / "inference.json").unlink()
    status, (listed,) = run("list")
    assert (status, listed["state"]) == (1, "broken")
    assert "configs/inference.json is missing" in listed["problem"]


def test_add_copies_approves_and_stays_silent(run: Any, make_bundle: Any, tmp_path: Path) -> None:
    source = make_bundle(folder=tmp_path / "elsewhere", weights=False)
    status, values = run("add", str(source))
    assert (status, values["state"]) == (0, "silent")
    assert (tmp_path / "models" / "small" / "configs" / "metadata.json").is_file()
    assert states(run) == {"small": "silent"}
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["small"]


def test_add_replaces_only_when_told(run: Any, make_bundle: Any, tmp_path: Path, capsys: Any) -> None:
    old = make_bundle(weights=False)
    new = make_bundle(folder=tmp_path / "elsewhere", node={"not_for": "Anything."}, weights=False)
    assert run("add", str(new))[0] == 1
    assert run("add", str(new), "--replace", "--state", "live")[0] == 0
    assert "Anything." in (old / "configs" / "metadata.json").read_text()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["small"]
    assert states(run) == {"small": "live"}


def test_a_bundle_with_code_needs_a_word(run: Any, make_bundle: Any, tmp_path: Path) -> None:
    source = make_bundle(folder=tmp_path / "elsewhere", inference={"x": "$1 + 1"}, foreign=True, weights=False)
    assert run("add", str(source))[0] == 2
    assert not (tmp_path / "models").exists()
    assert run("add", str(source), "--allow-code")[0] == 0
    assert (tmp_path / "models" / "small.node.toml").is_file()
    assert run("set", "small", "live")[0] == 2
    assert run("set", "small", "off")[0] == 0


def test_add_drafts_the_description_of_a_bundle_from_elsewhere(run: Any, make_bundle: Any, tmp_path: Path) -> None:
    source = make_bundle(folder=tmp_path / "elsewhere", foreign=True, weights=False)
    described = source.parent / "small.node.toml"
    filled = described.read_text()
    described.unlink()
    assert run("add", str(source))[0] == 1
    draft = tomllib.loads(described.read_text())
    assert draft["algorithm"]["version"] == "0.1.0"
    assert run("add", str(source))[0] == 1  # it still says FILL IN
    described.write_text(filled)
    assert run("add", str(source))[0] == 0


def test_show_prints_what_the_bundle_says(run: Any, make_bundle: Any) -> None:
    make_bundle(weights=False)
    status, values = run("show", "small")
    assert (status, values["task"], values["operating_point"]["threshold"]) == (0, "classification", 0.5)
    assert "monai.transforms.Compose" in values["targets"]


def test_check_runs_every_bundle_once(run: Any, make_bundle: Any) -> None:
    make_bundle()
    make_bundle("without_weights", weights=False)
    status, checked = run("check")
    assert status == 1
    assert [(item["name"], item["passed"]) for item in checked] == [("small", True), ("without_weights", False)]
    assert "2 class scores" in checked[0]["text"]
    assert run("check", "small")[0] == 0


def test_lines_for_people(make_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "node.toml").write_text('[node]\ndata_dir = "data"\n[models]\nfolder = "models"\n')
    options = ["--settings", str(tmp_path / "node.toml")]
    assert main(["models", "list", *options]) == 0
    assert "no bundles" in capsys.readouterr().out
    make_bundle(weights=False)
    assert main(["models", "list", *options]) == 0
    assert "models set small silent" in capsys.readouterr().out
    assert main(["models", "show", "small", *options]) == 0
    assert "task: classification" in capsys.readouterr().out
    assert main(["models", "set", "small", "live", *options]) == 0
    assert "approved, live" in capsys.readouterr().out


def test_a_model_of_exams_is_shown_and_checked(run: Any, make_exam_bundle: Any) -> None:
    bright_gmic(make_exam_bundle)
    _, values = run("show", "exams")
    assert (values["task"], values["aggregation"]["unit"], values["exam"]["unit"]) == ("exam", "breast", "image")
    status, (checked,) = run("check", "exams")
    assert status == 0
    assert "one exam in" in checked["text"]
    assert checked["text"].endswith("2 class scores")
