"""dicomnode doctor: what is in order, what is wrong and what to do, and the long check-up."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.cli.main import main
from dicomnode.node.presence import Presence, announce
from dicomnode.settings import load_settings
from tests.archives import make_file, put
from tests.peers_fixtures import free_port

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def settings_path(tmp_path: Path) -> Path:
    path = tmp_path / "dicomnode.toml"
    (tmp_path / "models").mkdir()
    path.write_text('[node]\ndata_dir = "data"\n[infer]\ndevice = "cpu"\n')
    return path


@pytest.fixture
def run(settings_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["doctor", *words, "--settings", str(settings_path)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


@pytest.fixture
def stored(settings_path: Path) -> Path:
    """A node that has run, and the file of the one instance that it keeps."""
    with Archive.open(load_settings(settings_path)) as archive:
        return put(archive, make_file()).instance.path


def verdicts(text: str) -> dict[str, str]:
    return {item["name"]: item["verdict"] for item in json.loads(text)["findings"]}


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(run: Run, tmp_path: Path) -> None:
    status, text = run("--json")
    assert (status, verdicts(text)["storage"], verdicts(text)["roles"]) == (0, "note", "note")
    assert verdicts(text)["viewer"] == "note"
    assert not (tmp_path / "data").exists()


def test_a_sound_node_is_in_order(run: Run, stored: Path) -> None:
    status, text = run("--json")
    assert status == 0
    found = verdicts(text)
    assert {found[name] for name in ("settings", "index", "storage", "models", "device")} == {"ok"}
    assert "in order" in run()[1]


def test_what_is_wrong_is_named_with_what_to_do(run: Run, stored: Path, settings_path: Path) -> None:
    broken = settings_path.parent / "models" / "broken" / "configs"
    broken.mkdir(parents=True)
    (broken / "metadata.json").write_text("{}")
    with settings_path.open("a") as file:
        file.write(
            '[receive.tls]\ncertificate = "absent.pem"\nkey = "absent.key"\n'
            f'[[targets]]\nname = "scp"\nhost = "127.0.0.1"\nport = {free_port()}\nae_title = "PACS"\n'
            f'[[targets]]\nname = "web"\nurl = "http://127.0.0.1:{free_port()}/dicom-web"\n'
            f'[[pacs]]\nname = "archive"\nhost = "127.0.0.1"\nport = {free_port()}\nae_title = "PACS"\n'
            f'[[pollers]]\nname = "watch"\nurl = "http://127.0.0.1:{free_port()}/dicom-web"\n'
            '[[rules]]\nmodel = "absent"\n'
        )
    status, text = run("--json")
    found = verdicts(text)
    assert status == 1
    wrong = {name for name, verdict in found.items() if verdict == "wrong"}
    assert wrong == {
        "certificates and secrets",
        "target scp",
        "target web",
        "pacs archive",
        "poller watch",
        "model broken",
        "model absent",
    }


def test_a_role_that_does_not_run_among_others_is_wrong(run: Run, stored: Path, settings_path: Path) -> None:
    announce(settings_path.parent / "data", Presence("receive", os.getpid(), 11112))
    status, text = run("--json")
    found = verdicts(text)
    assert (status, found["role receive"], found["role web"]) == (1, "ok", "wrong")
    assert "the node runs" in run("--deep", "--rebuild-index")[1]


def test_the_long_check_up_tells_and_repairs(run: Run, stored: Path) -> None:
    assert run("--deep") == (0, "files and index agree\n")
    stored.unlink()
    status, text = run("--deep")
    assert (status, "row without file: 1.2.3.1" in text, "--repair" in text) == (1, True, True)
    status, text = run("--deep", "--repair", "--json")
    (item,) = json.loads(text)["discrepancies"]
    assert (status, item["sop_instance_uid"], item["wrong"]) == (1, "1.2.3.1", True)
    assert run("--deep")[0] == 0


def test_a_damaged_index_names_the_command_that_rebuilds_it(run: Run, stored: Path, settings_path: Path) -> None:
    index = settings_path.parent / "data" / "index.sqlite"
    index.write_bytes(b"no database" * 1000)
    for words in ((), ("--deep",)):
        status, text = run(*words)
        assert (status, "dicomnode doctor --deep --repair" in text) == (1, True)
    assert main(["serve", "--role", "receive", "--settings", str(settings_path)]) == 1
    status, text = run("--deep", "--repair")
    assert (status, "index built anew" in text, "1 of 1 put right" in text) == (0, True, True)
    assert run("--deep") == (0, "files and index agree\n")
    assert run("--deep", "--rebuild-index")[0] == 0


@pytest.mark.parametrize("words", [("--repair",), ("--rebuild-index",)])
def test_repairing_goes_with_the_long_check_up(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2
