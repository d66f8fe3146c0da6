"""Orthanc with its DICOMweb plug-in as a process of this machine, to be compared with."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from dicomnode.errors import DicomNodeError, PeerRefusedError, UsageError

_PLUGINS = (
    Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    Path("/usr/lib/orthanc/libOrthancDicomWeb.so"),
    Path("/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so"),
)
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 10.0


class OrthancProcess:
    """An empty Orthanc that only this machine reaches; its folder holds all that it writes.

    Attributes:
        url: Of its REST API.
        dicom_port: It listens to C-STORE there as ``ORTHANC``; None if it does not.
    """

    def __init__(self, folder: Path, *, dicom: bool = False) -> None:
        self._folder = folder
        self._command, self._plugin = _installed()
        self._port = _free_port()
        self.dicom_port = _free_port() if dicom else None
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        settings = self._folder / "orthanc.json"
        settings.write_text(json.dumps(self._settings()))
        with (self._folder / "orthanc.log").open("wb") as log:
            # Without TCP_NODELAY Debian's Orthanc waits for the client's ACK after each small write.
            environment = {**os.environ, "TCP_NODELAY": "1"}
            self._process = subprocess.Popen([self._command, str(settings)], stdout=log, stderr=log, env=environment)
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def version(self) -> str:
        """As it says itself."""
        return str(json.loads(self._ask("GET", "/system"))["Version"])

    @property
    def instances(self) -> int:
        """How many it holds."""
        return int(json.loads(self._ask("GET", "/statistics"))["CountInstances"])

    def keep(self, content: bytes) -> None:
        """Put a DICOM file into it.

        Raises:
            PeerRefusedError: It does not want it.
        """
        self._ask("POST", "/instances", content)

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if self._process is not None and self._process.poll() is not None:
                raise DicomNodeError(f"Orthanc ended with status {self._process.returncode}; see {self._folder}")
            try:
                self._ask("GET", "/system")
            except OSError:
                if time.monotonic() > deadline:
                    raise DicomNodeError(f"Orthanc does not answer after {_START_SECONDS:.0f} s") from None
                time.sleep(_LOOK_SECONDS)
            else:
                return

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_START_SECONDS)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise PeerRefusedError(f"Orthanc answered {answer.status} to {method} {path}", answer.status)
        return content

    def _settings(self) -> dict[str, object]:
        return {
            "StorageDirectory": str(self._folder / "storage"),
            "IndexDirectory": str(self._folder / "storage"),
            "DicomServerEnabled": self.dicom_port is not None,
            "DicomAet": "ORTHANC",
            "DicomPort": self.dicom_port or 0,
            "DicomAlwaysAllowStore": True,
            "HttpPort": self._port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [str(self._plugin)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }


def _installed() -> tuple[str, Path]:
    """The program and its plug-in.

    Raises:
        UsageError: One of them is not installed.
    """
    command = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
    plugin = next((path for path in _PLUGINS if path.exists()), None)
    if command is None or plugin is None:
        missing = "Orthanc" if command is None else "Orthanc's DICOMweb plug-in"
        raise UsageError(f"{missing} is not on this machine: install it (Debian: orthanc orthanc-dicomweb)")
    return command, plugin


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
