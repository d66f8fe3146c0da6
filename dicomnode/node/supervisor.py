"""Keeps the roles running: a child process each, started anew with growing pauses when it dies."""

from __future__ import annotations

import fcntl
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dicomnode.errors import DicomNodeError, SettingsError
from dicomnode.node.presence import Presence, is_running, read_presence, withdraw
from dicomnode.node.stopping import GRACE_SECONDS, Stopper
from dicomnode.settings.roles import ROLES as ROLES

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_STABLE_SECONDS = 60.0
_HEAD_START_SECONDS = 1.0
"""The listener's, before the other roles are started: modalities wait for it, and processors are few."""


class Child:
    """One role's process.

    Attributes:
        role: Name of the role.
        was_ready: Whether it announced itself at least once.
    """

    def __init__(self, role: str, command: Sequence[str], data_dir: Path) -> None:
        self.role = role
        self.was_ready = False
        self._command = command
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._not_before = 0.0
        self._is_ready = False
        self._pause = _FIRST_PAUSE

    def presence(self) -> Presence | None:
        """What the running process announced, None before it is ready."""
        presence = read_presence(self._data_dir, self.role)
        if self._process is None or presence is None or presence.pid != self._process.pid:
            return None
        self.was_ready = self._is_ready = True
        return presence

    def tend(self, now: float) -> int | None:
        """Start the process if it is time to; returns the exit status if it just ended, else None."""
        if self._process is None:
            if now >= self._not_before:
                self._start(now)
            return None
        if not self._is_ready:
            self.presence()
        status = self._process.poll()
        if status is None:
            return None
        self._forget()
        # One that worked and was killed did not fail by itself: what it serves is missed, and it comes back at once
        if now - self._started > _STABLE_SECONDS or (self._is_ready and status < 0):
            self._pause = _FIRST_PAUSE
        self._not_before = now + self._pause
        _log.warning("role %s ended with status %d; starts again in %.1f s", self.role, status, self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return status

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()

    def join(self, deadline: float) -> None:
        """Wait until it ended; kill it at the deadline."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("role %s did not end in time and is killed; its work resumes at the next start", self.role)
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        if self._process is not None:
            withdraw(self._data_dir, self.role, self._process.pid)
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._process = None

    def _start(self, now: float) -> None:
        # The pipe's other end closes when this process ends, however it ends: the child's cue to stop
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)
        self._started = now
        self._is_ready = False


def role_command(role: str, settings_path: Path | None) -> list[str]:
    """The command line of a child process."""
    chosen = [] if settings_path is None else ["--settings", str(settings_path.absolute())]
    return [sys.executable, "-m", "dicomnode", "serve", "--role", role, "--with-parent", *chosen]


def supervise(
    roles: Sequence[str],
    command: Callable[[str], Sequence[str]],
    data_dir: Path,
    stopper: Stopper,
    on_ready: Callable[[dict[str, Presence]], None],
    grace_seconds: float = GRACE_SECONDS + 2.0,
) -> None:
    """Run the roles until stopped.

    Args:
        roles: Names of the roles; the first is started first.
        command: Command line of a role's process.
        data_dir: The node's folder.
        stopper: Ends everything within seconds.
        on_ready: Called once, when every role has announced itself.
        grace_seconds: A child that takes longer to end is killed.

    Raises:
        SettingsError: Another node runs on the same folder.
        DicomNodeError: A role gave up before it was ever ready, such as for want of its port.
    """
    with _only_one(data_dir):
        children = [Child(role, command(role), data_dir) for role in roles]
        try:
            _tend_all(children, stopper, on_ready)
        finally:
            deadline = time.monotonic() + grace_seconds
            for child in children:
                child.terminate()
            for child in children:
                child.join(deadline)


def _tend_all(children: Sequence[Child], stopper: Stopper, on_ready: Callable[[dict[str, Presence]], None]) -> None:
    told = False
    others_from = time.monotonic() + _HEAD_START_SECONDS
    while True:
        alone = not children[0].was_ready and time.monotonic() < others_from
        for child in children[:1] if alone else children:
            status = child.tend(time.monotonic())
            if status is not None and status > 0 and not child.was_ready:
                raise DicomNodeError(f"role {child.role} could not start; the lines above say why")
        if not told:
            present = {child.role: presence for child in children if (presence := child.presence())}
            told = len(present) == len(children)
            if told:
                on_ready(present)
        if stopper.wait(_POLL_SECONDS):
            return


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    folder = data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "serve.lock").open("a") as lock:
        try:
            # Released by the system when this process ends, however it ends
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"another dicomnode serve runs on {data_dir}; stop it or set node.data_dir") from None
        yield


def running_roles(data_dir: Path, roles: Sequence[str]) -> dict[str, Presence | None]:
    """Each role with its presence, None for one that does not run."""
    found = {role: read_presence(data_dir, role) for role in roles}
    return {role: presence if is_running(presence) else None for role, presence in found.items()}
