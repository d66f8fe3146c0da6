"""dicomnode doctor beside a real PACS, which it finds in order by every way that the node uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicomnode.cli.main import main
from tests.peers_fixtures import Orthanc

pytestmark = pytest.mark.orthanc


def test_a_pacs_that_answers_is_in_order(orthanc: Orthanc, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").mkdir()
    dimse = f'host = "127.0.0.1"\nport = {orthanc.port}\nae_title = "{orthanc.ae_title}"\n'
    web = f'url = "{orthanc.dicom_web_url}"\n'
    path = tmp_path / "dicomnode.toml"
    path.write_text(
        '[node]\ndata_dir = "data"\n[infer]\ndevice = "cpu"\n'
        f'[[targets]]\nname = "dimse"\n{dimse}[[targets]]\nname = "web"\n{web}'
        f'[[pacs]]\nname = "asked"\n{dimse}[[pacs]]\nname = "read"\n{web}[[pollers]]\nname = "watch"\n{web}'
    )
    status = main(["doctor", "--json", "--settings", str(path)])
    found = {item["name"]: item for item in json.loads(capsys.readouterr().out)["findings"]}
    peers = ("target dimse", "target web", "pacs asked", "pacs read", "poller watch")
    assert {name: found[name]["verdict"] for name in peers} == dict.fromkeys(peers, "ok"), found
    assert status == 0
