"""The node and the second PACS as processes of this machine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dicomnode.errors import DicomNodeError
from dicomnode.node.presence import Presence, read_presence

_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 3.0  # whatever is killed after it resumes at its next start


class System:
    """Roles of one node, each a process, stopped together when the block is left.

    Attributes:
        name: What the demo calls it.
    """

    def __init__(self, name: str, settings: Path, data_dir: Path, roles: Sequence[str], log: Path) -> None:
        self.name = name
        self._settings = settings
        self._data_dir = data_dir
        self._roles = tuple(roles)
        self._log = log
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            for role in self._roles:
                command = [sys.executable, "-m", "dicomnode", "serve", "--role", role, "--with-parent"]
                # Standard input stays open as long as the demo lives: the role ends with it, however it ends.
                self._processes[role] = subprocess.Popen(
                    [*command, "--settings", str(self._settings)], stdin=subprocess.PIPE, stdout=log, stderr=log
                )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        for process in self._processes.values():
            _end(process, deadline - time.monotonic())

    def wait_ready(self, seconds: float, roles: Sequence[str] = ()) -> dict[str, Presence]:
        """Wait until roles (by default all) have announced themselves.

        Raises:
            DicomNodeError: One of them ended, or is not ready in time; names its log.
        """
        wanted = tuple(roles) or self._roles
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            ready = {role: presence for role in wanted if (presence := self._presence(role)) is not None}
            if len(ready) == len(wanted):
                return ready
            if time.monotonic() > deadline:
                missing = ", ".join(role for role in wanted if role not in ready)
                raise DicomNodeError(f"{self.name}: {missing} not ready after {seconds:.0f} s; see {self._log}")
            time.sleep(_LOOK_SECONDS)

    def check(self) -> None:
        """Raise DicomNodeError if one of the roles has ended."""
        for role, process in self._processes.items():
            if process.poll() is not None:
                raise DicomNodeError(
                    f"{self.name}: role {role} ended with status {process.returncode}; see {self._log}"
                )

    def _presence(self, role: str) -> Presence | None:
        presence = read_presence(self._data_dir, role)
        return presence if presence is not None and presence.pid == self._processes[role].pid else None


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
