"""The service unit, log rotation, and word to the service manager."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dicomnode.node.service import READY, tell_service_manager

CONFIG = Path(__file__).parents[3] / "config"
UNIT = CONFIG / "systemd" / "dicomnode.service"


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_the_service_manager_is_told(tmp_path, kind):
    name = str(tmp_path / "notify") if kind == "file" else f"@dicomnode-test-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name if kind == "file" else "\0" + name[1:])
        listener.settimeout(10)
        assert tell_service_manager(READY, {"NOTIFY_SOCKET": name})
        assert listener.recv(64) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_nobody_is_told_where_nobody_listens(environment):
    assert not tell_service_manager(READY, environment)


def test_the_unit_is_hardened():
    text = UNIT.read_text()
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "Type=notify", "RestartPreventExitStatus=2"):
        assert line in text.splitlines()
    assert "WatchdogSec" not in text  # nothing sends WATCHDOG=1


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path):
    path = tmp_path / UNIT.name
    path.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text()))
    command = ["systemd-analyze", "verify", "--man=no", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    about = [line for line in (ran.stdout + ran.stderr).splitlines() if "dicomnode" in line]
    assert about == []
    assert ran.returncode == 0, ran.stderr


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
def test_logrotate_takes_its_file(tmp_path):
    text = re.sub(r"(?m)^ +su .*\n", "", (CONFIG / "logrotate" / "dicomnode").read_text())
    log = tmp_path / "dicomnode.log"
    log.write_text("a line\n")
    path = tmp_path / "rotation"
    path.write_text(text.replace("/var/log/dicomnode/dicomnode.log", str(log)))
    path.chmod(0o644)
    command = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(path)]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert (tmp_path / "dicomnode.log.1").read_text() == "a line\n"
