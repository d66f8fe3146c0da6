"""The first start of the web role as a process: its one-time password, the first login, a token for a client."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from dicomweb_client.api import DICOMwebClient

from dicomnode.node.presence import read_presence
from tests.factories import make_instance
from tests.peers_fixtures import wait_for

NEW = "a sentence of one's own"


class WebRole:
    """`dicomnode serve --role web` with logins, ended by its process id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings_path = folder / "dicomnode.toml"
        self.settings_path.write_text('[node]\ndata_dir = "data"\n[web]\nport = 0\n')
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "dicomnode", "serve", "--role", "web", "--settings", str(self.settings_path)]
        with (self.folder / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(command, stderr=errors)
        self.url = f"http://127.0.0.1:{wait_for(self._port, 120, 'the web role')}"

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    @property
    def told(self) -> str:
        return (self.folder / "stderr").read_text()

    def command(self, *words: str) -> str:
        line = [sys.executable, "-m", "dicomnode", *words, "--settings", str(self.settings_path)]
        return subprocess.run(line, capture_output=True, text=True, timeout=120, check=True).stdout

    def _port(self) -> int | None:
        presence = read_presence(self.folder / "data", "web")
        return presence.port if presence is not None and presence.pid == self._process.pid else None


@pytest.fixture
def role(tmp_path: Path) -> Iterator[WebRole]:
    role = WebRole(tmp_path)
    yield role
    role.stop()


def submit(session: requests.Session, url: str, **fields: str) -> requests.Response:
    hidden = dict(re.findall(r'name="(csrf|next)" value="([^"]*)"', session.get(url, timeout=60).text))
    origin = url.rpartition("/")[0]
    return session.post(url, data={**hidden, **fields}, headers={"Origin": origin, "Accept": "text/html"}, timeout=60)


def test_from_the_first_start_to_a_client_with_a_token(role: WebRole) -> None:
    lines = [line for line in role.told.splitlines() if "account admin: " in line]
    assert len(lines) == 1
    password = lines[0].rpartition(" ")[2]
    logged = [line for line in role.told.splitlines() if re.match(r"\d{4}-\d\d-\d\dT", line)]
    assert logged
    assert not any(password in line for line in logged)
    with requests.Session() as session:
        page = submit(session, f"{role.url}/login", name="admin", password=password)
        assert "Change your password" in page.text
        page = submit(session, f"{role.url}/password", old=password, new=NEW, again=NEW)
        assert page.url == f"{role.url}/"
        assert page.status_code == 200
    role.stop()
    role.start()
    assert role.told.count("One-time password") == 1
    token = role.command("accounts", "token", "add", "admin", "--role", "operator", "--label", "viewer").split()[-1]
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        client = DICOMwebClient(f"{role.url}/dicom-web", session=session)
        instance = make_instance()
        client.store_instances([instance])
        (found,) = client.search_for_studies()
        assert found["0020000D"]["Value"] == [instance.StudyInstanceUID]
    assert requests.get(f"{role.url}/dicom-web/studies", timeout=60).status_code == 401
