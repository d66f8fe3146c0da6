"""Supervision with children that are small scripts: restarts, ends, the parent's death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dicomnode.errors import DicomNodeError, SettingsError
from dicomnode.node.presence import Presence, announce, is_running, read_presence, withdraw
from dicomnode.node.stopping import Stopper, run_together
from dicomnode.node.supervisor import role_command, running_roles, supervise
from tests.peers_fixtures import wait_for

READY = """
import os, sys, time
from pathlib import Path
from dicomnode.node.presence import Presence, announce
announce(Path(sys.argv[1]), Presence(sys.argv[2], os.getpid(), None))
time.sleep(60)
"""


def script(text: str, folder: Path):
    return lambda role: [sys.executable, "-c", text, str(folder), role]


@pytest.fixture
def running(tmp_path):
    """Supervise in a thread; gives a function that starts it, and stops it at the end."""
    stoppers: list[tuple[Stopper, threading.Thread]] = []
    ready = threading.Event()

    def start(command) -> threading.Event:
        stopper = Stopper()
        arguments = (("a", "b"), command, tmp_path, stopper, lambda _: ready.set())
        thread = threading.Thread(target=supervise, args=arguments)
        thread.start()
        stoppers.append((stopper, thread))
        return ready

    yield start
    for stopper, thread in stoppers:
        stopper.event.set()
        thread.join()


def test_children_are_started_told_ready_and_ended(tmp_path, running):
    assert running(script(READY, tmp_path)).wait(20)
    assert all(is_running(read_presence(tmp_path, role)) for role in ("a", "b"))


def test_a_killed_child_is_started_again_with_its_files_renewed(tmp_path, running):
    assert running(script(READY, tmp_path)).wait(20)
    first = read_presence(tmp_path, "a").pid
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: (p := read_presence(tmp_path, "a")) and p.pid != first and p.pid, 20)
    assert is_running(Presence("a", second, None))
    assert running_roles(tmp_path, ["a", "c"])["c"] is None


def test_a_child_that_can_never_start_ends_the_node(tmp_path):
    with pytest.raises(DicomNodeError, match="role a could not start"):
        supervise(("a",), script("raise SystemExit(2)", tmp_path), tmp_path, Stopper(), lambda _: None)


def test_two_nodes_on_one_folder_are_refused(tmp_path, running):
    assert running(script(READY, tmp_path)).wait(20)
    with pytest.raises(SettingsError, match="another dicomnode serve runs"):
        supervise(("a",), script(READY, tmp_path), tmp_path, Stopper(), lambda _: None)


def test_a_child_that_ignores_the_signal_is_killed(tmp_path):
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY
    stopper, seen = Stopper(), []

    def on_ready(present):
        seen.append(present["a"].pid)
        stopper.event.set()

    supervise(("a",), script(stubborn, tmp_path), tmp_path, stopper, on_ready, grace_seconds=0.3)
    assert not is_running(Presence("a", seen[0], None))


@pytest.mark.parametrize(("is_up", "status"), [(True, 0), (False, 1)], ids=["up", "on its way up"])
def test_a_child_stops_when_its_supervisor_is_killed(is_up, status):
    child = (
        "import sys\n"
        "from dicomnode.node.stopping import Stopper\n"
        f"stopper = Stopper(); stopper.with_parent(); {'stopper.on_signals()' if is_up else ''}\n"
        "print('up', flush=True)\n"
        "sys.exit(0 if stopper.wait(30) else 2)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    process.stdin.close()
    assert process.wait(10) == status
    process.stdout.close()


def test_a_signal_stops(tmp_path):
    child = (
        "import sys\n"
        "from dicomnode.node.stopping import Stopper\n"
        "stopper = Stopper(); stopper.on_signals()\n"
        "print('up', flush=True)\n"
        "sys.exit(0 if stopper.wait(30) else 1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.stdout.close()


def test_parts_run_until_stopped():
    stopper = Stopper()
    threading.Timer(0.1, stopper.event.set).start()
    assert run_together({"a": lambda stop: stop.wait(), "b": lambda stop: stop.wait()}, stopper) == (True, True)


def test_a_part_that_fails_stops_the_others_and_is_told_without_its_message(caplog):
    def broken(_):
        raise ValueError("Doe^Jane")

    assert run_together({"a": broken, "b": lambda stop: stop.wait()}, Stopper()) == (False, True)
    assert "a failed: unexpected ValueError" in caplog.text
    assert "Doe" not in caplog.text


def test_a_part_that_hangs_is_told():
    release, stopper = threading.Event(), Stopper()
    stopper.event.set()
    assert run_together({"a": lambda _: release.wait(5)}, stopper, 0.1) == (True, False)
    release.set()


def test_presence_files_are_whole_and_belong_to_their_process(tmp_path):
    announce(tmp_path, Presence("web", os.getpid(), 8080))
    withdraw(tmp_path, "web", os.getpid() + 1)
    assert read_presence(tmp_path, "web") == Presence("web", os.getpid(), 8080)
    withdraw(tmp_path, "web", os.getpid())
    assert read_presence(tmp_path, "web") is None
    (tmp_path / "run" / "web.json").write_text("{")
    assert read_presence(tmp_path, "web") is None


def test_the_childs_command_names_role_and_settings(tmp_path):
    command = role_command("web", tmp_path / "x.toml")
    assert command[1:] == [
        "-m",
        "dicomnode",
        "serve",
        "--role",
        "web",
        "--with-parent",
        "--settings",
        f"{tmp_path}/x.toml",
    ]
    assert "--settings" not in role_command("web", None)
