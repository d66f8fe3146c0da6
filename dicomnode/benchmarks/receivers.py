"""Who is measured by `dicomnode bench receive`: the node as its settings have it, DCMTK's storescp, and Orthanc."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dicomnode.archive import Archive
from dicomnode.demo.orthanc import OrthancProcess
from dicomnode.demo.processes import System
from dicomnode.errors import DicomNodeError, NotFoundError, UsageError
from dicomnode.settings import load_settings

_START_SECONDS = 60.0
_PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 0.02
_LARGEST_PDU = 131072


class NodeReceiver:
    """The node's receive role, in a process of its own as in service."""

    ae_title = "DICOMNODE"

    def __init__(self, name: str, port: int, archive: Archive) -> None:
        self.name = name
        self.port = port
        self._archive = archive

    def settled(self, study_instance_uid: str, instances: int) -> float:
        """Until its index has all of them."""

        def found() -> int:
            with suppress(NotFoundError):
                return self._archive.studies.record(study_instance_uid).source_instances
            return 0

        return _wait_for(found, instances, self.name)


class StorescpReceiver:
    """DCMTK's storescp; what it kept is removed once it was counted."""

    ae_title = "STORESCP"

    def __init__(self, name: str, port: int, folder: Path) -> None:
        self.name = name
        self.port = port
        self._folder = folder

    def settled(self, _study_instance_uid: str, instances: int) -> float:
        """Until its folder has all of them; it has no index."""
        seconds = _wait_for(lambda: len(list(self._folder.iterdir())), instances, self.name)
        for path in self._folder.iterdir():
            path.unlink()
        return seconds


class OrthancReceiver:
    """Orthanc as Debian configures it."""

    ae_title = "ORTHANC"

    def __init__(self, process: OrthancProcess) -> None:
        self.name = "Orthanc"
        self.port = process.dicom_port or 0
        self._process = process
        self._before = 0

    def settled(self, _study_instance_uid: str, instances: int) -> float:
        """Until it counts all of them."""
        seconds = _wait_for(lambda: self._process.instances - self._before, instances, self.name)
        self._before += instances
        return seconds


@contextmanager
def node_receiver(name: str, folder: Path, tables: Mapping[str, Mapping[str, object]]) -> Iterator[NodeReceiver]:
    """Start the node's receive role.

    Args:
        name: For the report.
        folder: Of its data, not there yet.
        tables: Settings, table by table.
    """
    folder.mkdir(parents=True)
    path, log = folder / "dicomnode.toml", folder / "node.log"
    merged: dict[str, Mapping[str, object]] = {
        "node": {"data_dir": str(folder / "data")},
        "receive": {"port": 0, "accept_unknown_peers": True, **tables.get("receive", {})},
        **{table: values for table, values in tables.items() if table != "receive"},
    }
    path.write_text("\n".join(_toml(table, values) for table, values in merged.items()))
    settings = load_settings(path)
    with (
        Archive.open(settings) as archive,
        System("node", path, settings.node.data_dir, ("receive",), log) as system,
    ):
        port = system.wait_ready(_START_SECONDS)["receive"].port or 0
        yield NodeReceiver(name, port, archive)


@contextmanager
def storescp_receiver(name: str, folder: Path, *options: str) -> Iterator[StorescpReceiver]:
    """Start storescp, which writes what it gets bit by bit, and nothing else.

    Raises:
        UsageError: It is not installed.
    """
    command = shutil.which("storescp")
    if command is None:
        raise UsageError("storescp is not on this machine: install DCMTK (Debian: dcmtk)")
    kept = folder / "kept"
    kept.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [command, "+B", *options, "-pdu", str(_LARGEST_PDU), "-od", str(kept), str(port)]
    with (folder / "storescp.log").open("wb") as log:
        environment = {**os.environ, "TCP_NODELAY": "1"}
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(lambda: int(_listens(port)), 1, name)
        yield StorescpReceiver(name, port, kept)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def orthanc_receiver(folder: Path) -> Iterator[OrthancReceiver]:
    """Start Orthanc."""
    with OrthancProcess(folder, dicom=True) as process:
        yield OrthancReceiver(process)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _wait_for(count: Callable[[], int], wanted: int, name: str) -> float:
    started = time.perf_counter()
    while True:
        found = count()
        if found >= wanted:
            return time.perf_counter() - started
        if time.perf_counter() - started > _PATIENCE_SECONDS:
            raise DicomNodeError(f"{name} has {found} of {wanted} instances after {_PATIENCE_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)


def _toml(table: str, values: Mapping[str, object]) -> str:
    lines = (f"{key} = {json.dumps(value)}" for key, value in values.items())
    return f"[{table}]\n" + "\n".join(lines) + "\n"
