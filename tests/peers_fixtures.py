"""Peers that run beside a test: a C-STORE SCP that answers as told, and Orthanc."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
import requests
from pynetdicom import AE, evt
from pynetdicom.presentation import AllStoragePresentationContexts, VerificationPresentationContexts

CHROMIUM = Path("/usr/bin/chromium")
ORTHANC = Path("/usr/sbin/Orthanc")
ORTHANC_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
T = TypeVar("T")
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 0.25
SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"]


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], T], seconds: float = 30.0, what: str = "condition") -> T:
    """Call until the answer is true; fails the test after `seconds`."""
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(pause)
        pause = min(1.2 * pause, _LONGEST_PAUSE_SECONDS)  # looking costs the node processor time that it needs
    pytest.fail(f"waited {seconds} s in vain for {what}")


@dataclass
class StoreScp:
    """A C-STORE SCP on 127.0.0.1 whose answers a test decides.

    `answer` is called with the SOP Instance UID and gives the status, or "abort".
    """

    ae_title: str = "PACS"
    port: int = field(default_factory=free_port)
    answer: Callable[[str], int | str] = lambda uid: 0x0000
    contexts: list = field(default_factory=lambda: [c.abstract_syntax for c in AllStoragePresentationContexts])
    syntaxes: list[str] = field(default_factory=lambda: list(SYNTAXES))
    received: dict[str, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    associations: int = 0
    _server: object = None

    def start(self) -> StoreScp:
        entity = AE(ae_title=self.ae_title)
        entity.require_called_aet = True
        for context in VerificationPresentationContexts:
            entity.add_supported_context(context.abstract_syntax)
        for abstract_syntax in self.contexts:
            entity.add_supported_context(abstract_syntax, self.syntaxes)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._accepted)]
        self._server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _accepted(self, event) -> None:
        self.associations += 1

    def _store(self, event):
        uid = str(event.request.AffectedSOPInstanceUID)
        self.calls.append(uid)
        status = self.answer(uid)
        if status == "abort":
            event.assoc.abort()
            return 0x0000
        if status == 0x0000 or 0xB000 <= status <= 0xBFFF:
            self.received[uid] = event.encoded_dataset(include_meta=False)
        return status


@pytest.fixture
def store_scp() -> Iterator[Callable[..., StoreScp]]:
    """Make C-STORE SCPs; they are stopped at the end."""
    made: list[StoreScp] = []

    def make(**options) -> StoreScp:
        made.append(StoreScp(**options))
        return made[-1].start()

    yield make
    for scp in made:
        scp.stop()


class Orthanc:
    """A running Orthanc with its DICOMweb plug-in, ended by its process id."""

    ae_title = "ORTHANC"

    def __init__(self, folder: Path, **configuration: object) -> None:
        self.folder = folder
        self.port = free_port()
        self.http_port = free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.dicom_web_url = f"{self.url}/dicom-web"
        self._configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Orthanc:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(self._settings()))
        with (self.folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(ORTHANC), str(path)], stdout=log, stderr=log, env={**os.environ, "TCP_NODELAY": "1"}
            )
        wait_for(self._answers, 30, "Orthanc to answer")
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def get(self, path: str) -> object:
        """GET from its REST API, such as ``/studies``."""
        answer = requests.get(f"{self.url}{path}", timeout=20)
        answer.raise_for_status()
        return answer.json()

    def add_modality(self, name: str, ae_title: str, port: int) -> None:
        """Let it send to an application entity of 127.0.0.1."""
        body = {"AET": ae_title, "Host": "127.0.0.1", "Port": port}
        requests.put(f"{self.url}/modalities/{name}", json=body, timeout=20).raise_for_status()

    def upload(self, path: Path) -> None:
        """Put a DICOM file into it."""
        requests.post(f"{self.url}/instances", data=path.read_bytes(), timeout=60).raise_for_status()

    def send_all(self, name: str) -> None:
        """Send everything it holds to a modality."""
        body = self.get("/instances")
        requests.post(f"{self.url}/modalities/{name}/store", json=body, timeout=120).raise_for_status()

    def tags(self) -> list[dict[str, object]]:
        """The main tags of every instance it holds, by keyword."""
        return [self.get(f"/instances/{uid}/simplified-tags") for uid in self.get("/instances")]

    def file(self, instance: str) -> bytes:
        """The DICOM file of one instance, by Orthanc's own identifier."""
        return requests.get(f"{self.url}/instances/{instance}/file", timeout=60).content

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            pytest.fail(f"Orthanc ended: {(self.folder / 'orthanc.log').read_text()[-2000:]}")
        try:
            return requests.get(f"{self.url}/system", timeout=1).ok
        except requests.RequestException:
            return False

    def _settings(self) -> dict[str, object]:
        return {
            "Name": "tests",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "DicomAet": self.ae_title,
            "DicomPort": self.port,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DefaultEncoding": "Utf8",  # it answers in this; Latin-1 otherwise, which loses letters
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "HttpPort": self.http_port,
            "HttpServerEnabled": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalitiesInDatabase": True,
            "Plugins": [str(ORTHANC_DICOMWEB)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full", "SeriesMetadata": "Full"},
            **self._configuration,
        }


@contextmanager
def running_orthanc(folder: Path, **configuration: object) -> Iterator[Orthanc]:
    """Orthanc with further configuration, stopped at the end."""
    server = Orthanc(folder, **configuration)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """An empty Orthanc on free ports; mark the test with ``orthanc``."""
    with running_orthanc(tmp_path / "orthanc") as server:
        yield server
