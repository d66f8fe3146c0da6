"""Fixtures of every test, and the rule that a peer that must be there may not be skipped."""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from dicomnode.web.viewer.installing import find_installed
from tests.listeners import engine
from tests.node_fixtures import node_factory
from tests.peers_fixtures import CHROMIUM, ORTHANC, ORTHANC_DICOMWEB, orthanc, store_scp
from tests.phi import LogLines, leaks, lines_of_logs, patients_in
from tests.postgresql import index_url, postgresql, program
from tests.tls import certificates, made_certificates
from tests.unit.conftest import make_bundle, make_exam_bundle

__all__ = [
    "certificates",
    "engine",
    "index_url",
    "made_certificates",
    "make_bundle",
    "make_exam_bundle",
    "node_factory",
    "orthanc",
    "postgresql",
    "store_scp",
]

PEERS = {
    "orthanc": lambda: ORTHANC.is_file() and ORTHANC_DICOMWEB.is_file(),
    "dcmtk": lambda: all(shutil.which(tool) for tool in ("storescu", "echoscu", "findscu", "dsrdump")),
    "dciodvfy": lambda: bool(shutil.which("dciodvfy")),
    "chromium": lambda: CHROMIUM.is_file() and find_spec("playwright") is not None,
    "postgresql": lambda: program("initdb") is not None,
    "viewer": lambda: PEERS["chromium"]() and bool(find_installed(Path(os.environ.get("DICOMNODE_OHIF", "viewer")))),
    "strace": lambda: bool(shutil.which("strace")),
    "data": lambda: Path(os.environ.get("DICOMNODE_TEST_DATA", "/nonexistent")).is_dir(),
}
REQUIRE = "DICOMNODE_REQUIRE_PEERS"


LOG_LINES = pytest.StashKey[LogLines]()


class WarningLines:
    """Keeps what warnings say: pydicom's quote values."""

    def __init__(self, kept: LogLines) -> None:
        self._kept = kept

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        self._kept.note(str(warning_message.message))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LOG_LINES] = LogLines()
    config.pluginmanager.register(WarningLines(config.stash[LOG_LINES]))


@pytest.fixture(scope="session", autouse=True)
def no_patient_in_any_log(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fails the run if a log line of it names a test patient (tests/phi.py)."""
    kept = pytestconfig.stash[LOG_LINES]
    logger = logging.getLogger("dicomnode")
    logger.addHandler(kept)
    yield
    logger.removeHandler(kept)
    folder = tmp_path_factory.getbasetemp()
    samples = Path(os.environ.get("DICOMNODE_TEST_DATA", "/nonexistent")) / "dicom_samples"
    found = leaks(kept.lines | lines_of_logs(folder), patients_in([folder, samples]))
    if found:
        pytest.fail("log lines that name a patient:\n" + "\n".join(found), pytrace=False)


@pytest.fixture
def test_data() -> Path:
    """The folder of real images; mark the test with ``data``."""
    return Path(os.environ["DICOMNODE_TEST_DATA"])


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, is_there in PEERS.items():
        if item.get_closest_marker(name) and not is_there():
            needed = item.config.getini("markers")
            words = next(line for line in needed if line.startswith(f"{name}:"))
            if os.environ.get(REQUIRE) and name != "data":
                pytest.fail(f"{REQUIRE} is set, but {name} is absent; the test {words.split(': ', 1)[1]}")
            pytest.skip(words.split(": ", 1)[1])
