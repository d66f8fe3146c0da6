"""The faults: each breaks something while studies flow, and ends when everything has come to rest."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path

import pytest

from tests.faults.checking import Verdict, check
from tests.faults.load import Modality, by_c_store
from tests.faults.pacs import wire_to
from tests.faults.staging import MODEL, Stage, unsettled, with_moody_pacs, with_orthanc
from tests.node_fixtures import ROLES, Node
from tests.peers_fixtures import wait_for

_A_FILE = 16 * 1024  # bytes; the smallest thing that the node writes for an instance is larger


def kills(folder: Path, seed: int, count: int) -> Verdict:
    """`kill -9` of any role, or of the whole node, at random moments while studies flow."""
    with with_orthanc(folder, seed) as (on, _, _):
        on.sending(folder, studies=None)
        on.sending(folder, studies=None, stow=True)
        while on.faults < count:
            time.sleep(on.random.uniform(0.05, 2.5))
            seen = len(on.ledger.instances)
            _kill(on, on.random.choice([*ROLES, "whole node"]))
            on.faults += 1
            if on.faults % 2:  # each second kill may come before anything was done since the last one
                wait_for(lambda seen=seen: len(on.ledger.instances) > seen, 120, "an instance to arrive after a kill")
        return on.verdict()


def _kill(on: Stage, what: str) -> None:
    """Kill a role, ready or on its way up, or all of the node as a power cut does."""
    if what != "whole node":
        _end(wait_for(lambda: _roles_of(on.node).get(what, 0), 60, f"role {what}"))
        return
    for pid in (on.node.pid, *_roles_of(on.node).values()):
        _end(pid)
    wait_for(on.node.has_ended, 60, "the killed node to be gone")
    on.node.start(wait=False)


def _roles_of(node: Node) -> dict[str, int]:
    """Process ids of the roles, ready or on their way up: the supervisor's children."""
    found: dict[str, int] = {}
    with suppress(OSError):
        for pid in Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"--role" in words:
                found[words[words.index(b"--role") + 1].decode()] = int(pid)
    return found


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def pacs_away(folder: Path, seed: int) -> Verdict:
    """The PACS is stopped while results are on their way, and comes back."""
    with with_orthanc(folder, seed) as (on, orthanc, _):
        on.sending(folder, studies=4)
        wait_for(lambda: len(on.ledger.studies) >= 1, 120, "a first study")
        orthanc.stop()
        wait_for(lambda: len(on.ledger.studies) >= 4, 120, "all studies")
        wait_for(lambda: unsettled(on.node.data_dir)["deliveries"] > 0, 120, "a result that waits")
        time.sleep(5)
        orthanc.start()
        return on.verdict()


def pacs_cut(folder: Path, seed: int) -> Verdict:
    """The network to the PACS breaks in the middle of C-STORE, again and again."""
    with with_orthanc(folder, seed) as (on, _, wire):
        on.sending(folder, studies=None)
        for length in (0, 200, 1500, 4000):
            wire.cut_after = length
            seen = wire.cuts
            wait_for(lambda seen=seen: wire.cuts > seen, 120, f"a cut after {length} bytes")
        wire.cut_after = None
        return on.verdict()


def senders_cut(folder: Path, seed: int) -> Verdict:
    """The network to the node breaks in the middle of a sender's C-STORE."""
    with with_orthanc(folder, seed) as (on, _, _), wire_to(0) as wire:

        def through_the_wire() -> int | None:
            port = on.port()
            if port is None:
                return None
            wire.peer_port = port
            wire.cut_after = on.random.choice([None, 300, 20000, 30000, 50000])
            return wire.port

        on.senders.append(Modality("cut", folder / "cut", on.ledger, by_c_store(through_the_wire), 4))
        on.senders[-1].start()
        verdict = on.verdict()
        assert wire.cuts > 0
        return verdict


def pacs_moods(folder: Path, seed: int) -> Verdict:
    """The PACS refuses, aborts, answers 0xA700, 0xB000 or 0x0110, closes or hangs; then it is well again."""
    with with_moody_pacs(folder, seed) as (on, pacs):
        on.sending(folder, studies=None)
        for mood in ("refuse", "abort", 0xA700, 0xB000, 0x0110, "close", "hang"):
            pacs.mood = mood
            before = pacs.asked
            wait_for(lambda before=before: pacs.asked > before, 120, f"mood {mood}")
            time.sleep(2)
        pacs.mood = "good"
        return on.verdict()


def pacs_refuses(folder: Path, seed: int) -> Verdict:
    """The PACS refuses objects for good (0xC000): told so, kept, and delivered when an administrator asks again."""
    with with_moody_pacs(folder, seed) as (on, pacs):
        pacs.mood = 0xC000
        on.sending(folder, studies=2)
        on.come_to_rest()
        refused = check(on.node.data_dir, on.ledger, on.held(), MODEL)
        assert not pacs.held, "nothing was accepted"
        assert not refused.untrue, refused.untrue
        pacs.mood = "good"
        for study in on.ledger.studies:
            asked = on.node.command("retry", "study", study)
            assert asked.returncode == 0, asked.stderr
        return on.verdict()


def full_disk(folder: Path, seed: int) -> Verdict:
    """No file of a role can grow any more (the system's file size limit), each in turn; then there is room again."""
    with with_orthanc(folder, seed) as (on, _, _):
        on.sending(folder, studies=None)
        on.sending(folder, studies=None, stow=True)
        for role in ROLES:
            for limit in (0, 30000):
                pid = int(on.node.presence(role)["pid"])
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                time.sleep(3)
                _lift(pid)
        return on.verdict()


def _lift(pid: int) -> None:
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ProcessLookupError:
        return  # it gave up, and its successor has no limit


def small_disk(folder: Path, seed: int) -> Verdict:
    """The node's disk is filled to the last byte by somebody else (ENOSPC), twice, and emptied again."""
    with _small_file_system(folder / "node" / "data"), with_orthanc(folder, seed) as (on, _, _):
        on.sending(folder, studies=None)
        on.sending(folder, studies=None, stow=True)
        for _ in range(2):
            _wait_for_another_study(on)
            ballast = on.node.data_dir / "ballast"
            with ballast.open("wb", buffering=0) as file:
                for size in (1 << 16, 512, 1):
                    _write_until_full(file, size)
            assert shutil.disk_usage(on.node.data_dir).free < _A_FILE
            time.sleep(5)
            ballast.unlink()
        return on.verdict()


def _wait_for_another_study(on: Stage) -> None:
    seen = len(on.ledger.studies)
    wait_for(lambda: len(on.ledger.studies) > seen, 120, "another study")


def _write_until_full(file: RawIOBase, size: int) -> None:
    with suppress(OSError):
        while file.write(bytes(size)) == size:
            pass


@contextmanager
def _small_file_system(place: Path) -> Iterator[None]:
    """A file system of its own, where mounts are allowed."""
    place.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(place)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounts are not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def locked_index(folder: Path, seed: int) -> Verdict:
    """Somebody else holds the index's write lock for longer than the node waits for it."""
    with with_orthanc(folder, seed) as (on, _, _):
        on.sending(folder, studies=None)
        for seconds in (3, 40):
            time.sleep(2)
            with sqlite3.connect(on.node.data_dir / "index.sqlite", timeout=60, isolation_level=None) as index:
                index.execute("BEGIN IMMEDIATE")
                time.sleep(seconds)
                index.execute("ROLLBACK")
            index.close()
        return on.verdict()


def two_nodes(folder: Path, seed: int) -> Verdict:
    """A second node is started on the same data while studies flow; it must refuse, and disturb nothing."""
    with with_orthanc(folder, seed) as (on, _, _):
        on.sending(folder, studies=4)
        command = [sys.executable, "-m", "dicomnode", "serve", "--settings", str(on.node.settings_path)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert second.returncode == 2, second.stderr
        assert "another dicomnode" in second.stderr, second.stderr
        return on.verdict()


def corrupt_index(folder: Path, seed: int) -> Verdict:
    """The index is destroyed in the middle while the node is down; doctor builds a new one from what is left."""
    with with_orthanc(folder, seed) as (on, _, _):
        on.sending(folder, studies=4)
        on.come_to_rest()
        on.node.stop(60.0)
        path = on.node.data_dir / "index.sqlite"
        with path.open("r+b") as index:
            index.seek(4096)
            index.write(on.random.randbytes(path.stat().st_size // 2))
        refused = on.node.command("serve")
        assert refused.returncode != 0 and "doctor --deep" in refused.stderr, refused.stderr
        mended = on.node.command("doctor", "--deep", "--rebuild-index")
        assert mended.returncode == 0, mended.stderr
        on.node.deploy(MODEL).start()
        return on.verdict()


def clock_put_back(folder: Path, seed: int) -> Verdict:
    """The machine's clock jumps back by two hours while results wait for a PACS that is away, and stays there."""
    shift = folder / "shift"
    shift.write_text("0")
    with _shifted_clock(shift, folder), with_orthanc(folder, seed) as (on, _, wire):
        wire.is_down = True
        on.sending(folder, studies=4)
        wait_for(lambda: unsettled(on.node.data_dir)["deliveries"] > 0, 120, "a result that waits")
        shift.write_text("-7200")
        time.sleep(3)
        wait_for(lambda: "the clock was put back" in on.node.log, 60, "the node to notice")
        wire.is_down = False
        return on.verdict()


@contextmanager
def _shifted_clock(shift: Path, folder: Path) -> Iterator[None]:
    """The wall clock of processes that start here is off by the seconds in a file."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (Debian: gcc libc6-dev)")
    source, library = Path(__file__).with_name("shifted_clock.c"), folder / "shifted_clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("SHIFTED_CLOCK", str(shift))
        yield


PEERS: dict[str, Callable[[Path, int], Verdict]] = {
    "the PACS is away for a while": pacs_away,
    "the network to the PACS breaks in mid-C-STORE": pacs_cut,
    "the network to the node breaks in mid-C-STORE": senders_cut,
    "the PACS refuses, aborts, answers 0xA700, 0xB000, 0x0110, closes, hangs": pacs_moods,
    "the PACS refuses for good (0xC000)": pacs_refuses,
}
STORAGE: dict[str, Callable[[Path, int], Verdict]] = {
    "no room on the disk, role by role": full_disk,
    "a small disk is full to the last byte (where mounts are allowed)": small_disk,
    "the index is locked by somebody else": locked_index,
    "a second node on the same data": two_nodes,
    "the index is destroyed": corrupt_index,
    "the clock is put back by two hours": clock_put_back,
}
SCENARIOS = PEERS | STORAGE
