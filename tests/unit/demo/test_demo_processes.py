"""Roles as processes: ready, ended too early, and stopped together."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from dicomnode.demo.configuration import PACS, PACS_ROLES, write_pacs_settings
from dicomnode.demo.folder import DemoFolder, prepare_folder
from dicomnode.demo.processes import System
from dicomnode.errors import DicomNodeError


@pytest.fixture
def folder(tmp_path: Path) -> DemoFolder:
    return prepare_folder(tmp_path / "out")


def test_roles_announce_ports_and_end_with_the_block(folder: DemoFolder) -> None:
    settings = write_pacs_settings(folder)
    with System("pacs", settings, folder.data(PACS), PACS_ROLES, folder.log(PACS)) as pacs:
        ready = pacs.wait_ready(60)
        assert set(ready) == {"receive", "web"}
        assert all(presence.port for presence in ready.values())
        pacs.check()
    for presence in ready.values():
        with pytest.raises(ProcessLookupError):
            os.kill(presence.pid, 0)


def test_a_role_that_ends_is_told_with_its_log(folder: DemoFolder) -> None:
    settings = folder.settings(PACS)
    settings.write_text("[node]\nno_such_key = 1\n", encoding="utf-8")
    with (
        System("pacs", settings, folder.data(PACS), ("receive",), folder.log(PACS)) as pacs,
        pytest.raises(DicomNodeError, match=r"receive ended with status 2; see .*pacs\.log"),
    ):
        pacs.wait_ready(60)
    assert "no_such_key" in folder.log(PACS).read_text()


def test_a_role_that_is_never_ready_is_told(folder: DemoFolder) -> None:
    settings = write_pacs_settings(folder)
    with (
        System("pacs", settings, folder.root / "elsewhere", ("web",), folder.log(PACS)) as pacs,
        pytest.raises(DicomNodeError, match="web not ready after 0 s"),
    ):
        pacs.wait_ready(0.1)


def test_nothing_outlives_an_error_in_the_block(folder: DemoFolder) -> None:
    settings = write_pacs_settings(folder)
    pacs = System("pacs", settings, folder.data(PACS), ("web",), folder.log(PACS))
    with pytest.raises(KeyboardInterrupt), pacs:
        raise KeyboardInterrupt
    assert not [command for command in _command_lines() if str(settings) in command]


def _command_lines() -> list[str]:
    """Of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # a process may end while it is looked at
            found.append(path.read_bytes().decode(errors="replace"))
    return found
