"""A whole node that runs beside a test, as its users start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState
from dicomnode.bundles import bundle_digest
from dicomnode.settings import Settings, load_settings
from tests.peers_fixtures import wait_for

ROLES = ("receive", "dispatch", "infer", "web")
BUNDLES = Path(__file__).parent.parent / "models"

# Small pauses, free ports, repeatable scores; a test's own settings go on top, table by table.
FAST: dict[str, Any] = {
    "node": {"ae_title": "DICOMNODE", "deterministic": True},
    "receive": {"port": 0, "accept_unknown_peers": True},
    "web": {"port": 0, "accounts": {"required": False}},
    "completion": {"quiet_period_seconds": 0.5, "deadline_seconds": 60.0},
    "infer": {"device": "cpu", "lease_seconds": 4.0, "preload": False},
}


class Node:
    """`python -m dicomnode serve` with a settings file of its own, stopped by its process id.

    Attributes:
        folder: Holds settings file, data folder and log.
        settings_path: Its settings file.
        settings: The same, read.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], models: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.settings_path = folder / "dicomnode.toml"
        merged = {table: dict(values) for table, values in FAST.items()}
        merged["node"]["data_dir"] = str(folder / "data")
        merged["models"] = {"folder": str(models)}
        for table, values in settings.items():
            merged[table] = {**merged.get(table, {}), **values} if isinstance(values, Mapping) else values
        self.settings_path.write_text(to_toml(merged))
        self.settings: Settings = load_settings(self.settings_path)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data_dir(self) -> Path:
        return self.settings.node.data_dir

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def dicom_port(self) -> int:
        """The listener's port, once it is there (anew after a kill)."""
        return int(self.presence("receive")["port"])

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.presence('web')['port']}"

    @property
    def dicom_web_url(self) -> str:
        return f"{self.web_url}/dicom-web"

    @property
    def log(self) -> str:
        return (self.folder / "node.log").read_text(errors="replace")

    def start(self, *, wait: bool = True) -> Node:
        """Start it; returns once every role is ready."""
        with (self.folder / "node.log").open("ab") as log:
            command = [sys.executable, "-m", "dicomnode", "serve", "--settings", str(self.settings_path)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        if wait:
            for role in ROLES:
                self.presence(role)
        return self

    def stop(self, seconds: float = 15.0) -> int | None:
        """End it by SIGTERM; returns its exit status."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            pytest.fail(f"the node did not end within {seconds} s of SIGTERM:\n{self.log[-3000:]}")
        self._process = None
        return status

    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def presence(self, role: str, seconds: float = 120.0) -> dict[str, Any]:
        """What a living process of a role announced; waits for it."""

        def announced() -> dict[str, Any] | None:
            if self._process is not None and self.has_ended():
                pytest.fail(f"the node ended with status {self._process.returncode}:\n{self.log[-3000:]}")
            try:
                content = json.loads((self.data_dir / "run" / f"{role}.json").read_text())
                os.kill(content["pid"], 0)
            except (OSError, ValueError):
                return None
            return content

        return wait_for(announced, seconds, f"role {role}")

    def kill(self, role: str) -> int:
        """Kill a role's process as -9 does; returns the process id that it had."""
        pid = int(self.presence(role)["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def archive(self) -> Archive:
        """Its archive, opened besides; close it, or use it as a context."""
        return Archive.open(self.settings)

    def deploy(self, *names: str, state: DeploymentState = DeploymentState.LIVE) -> Node:
        """Approve bundles of the models folder."""
        with self.archive() as archive:
            for name in names:
                digest = bundle_digest(self.settings.models.folder / name)
                archive.deployments.approve(name, digest, state, datetime.now(UTC))
        return self

    def command(self, *words: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a `dicomnode` command with its settings."""
        line = [sys.executable, "-m", "dicomnode", *words, "--settings", str(self.settings_path)]
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)


def to_toml(settings: Mapping[str, Any]) -> str:
    """A settings file; JSON's strings, numbers and arrays are TOML's too."""
    lines: list[str] = []
    for table, values in settings.items():
        for header, entries in [(f"[{table}]", values)] if isinstance(values, Mapping) else _tables(table, values):
            lines.append(header)
            lines += [f"{key} = {_inline(value)}" for key, value in entries.items()]
    return "\n".join(lines) + "\n"


def _tables(name: str, items: list[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(f"[[{name}]]", item) for item in items]


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_inline(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture
def node_factory(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Make nodes: ``node_factory(settings, deploy=("brain_mri_tumor_classifier",))`` starts one.

    Arguments: settings (a mapping of tables, laid over `FAST`), models (bundle folder), deploy (names
    to approve as live), start (False: the test starts it). All are stopped at the end.
    """
    made: list[Node] = []

    def make(
        settings: Mapping[str, Any] | None = None,
        *,
        models: Path = BUNDLES,
        deploy: tuple[str, ...] = (),
        start: bool = True,
    ) -> Node:
        node = Node(tmp_path / f"node{len(made)}", settings or {}, models)
        made.append(node)
        node.deploy(*deploy)
        return node.start() if start else node

    yield make
    for node in made:
        node.stop()
