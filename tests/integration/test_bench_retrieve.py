"""``dicomnode bench retrieve`` on a small study: both servers give all of it, and the times are told."""

from __future__ import annotations

import json

import pytest

import dicomnode.demo.orthanc as orthanc_module
from dicomnode.cli.main import main


@pytest.mark.orthanc
def test_both_servers_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "retrieve", "--instances", "3", "--repeats", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [server["name"] for server in told["servers"]] == ["node", "Orthanc"]
    for server in told["servers"]:
        assert server["bytes"] > 3 * 512 * 512 * 2
        assert len(server["seconds"]) == 2
        assert 0 < server["least"] <= server["median"] <= server["greatest"]


@pytest.mark.parametrize(("instances", "word"), [("0", "--instances"), ("3", "orthanc-dicomweb")])
def test_what_it_needs_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, instances: str, word: str
) -> None:
    monkeypatch.setattr(orthanc_module, "_PLUGINS", ())
    assert main(["bench", "retrieve", "--instances", instances]) == 2
    assert word in capsys.readouterr().err
