"""Which roles run: one small file per role, ``<data_dir>/run/<role>.json``, written when it is ready."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Presence:
    """A running role.

    Attributes:
        role: Name of the role.
        pid: Its process.
        port: TCP port that it listens on, None if on none.
    """

    role: str
    pid: int
    port: int | None


def announce(data_dir: Path, presence: Presence) -> None:
    """Say that a role is ready; a reader sees the whole file or none."""
    path = _path(data_dir, presence.role)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{presence.pid}.tmp")
    draft.write_text(json.dumps({"pid": presence.pid, "port": presence.port}) + "\n", encoding="utf-8")
    draft.replace(path)


def withdraw(data_dir: Path, role: str, pid: int) -> None:
    """Remove what this process announced; a successor's word stays."""
    presence = read_presence(data_dir, role)
    if presence is not None and presence.pid == pid:
        _path(data_dir, role).unlink(missing_ok=True)


def read_presence(data_dir: Path, role: str) -> Presence | None:
    """What a role last announced, None if nothing readable."""
    try:
        content = json.loads(_path(data_dir, role).read_text(encoding="utf-8"))
        return Presence(role, int(content["pid"]), content["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_running(presence: Presence | None) -> bool:
    """Whether the process that announced itself still exists."""
    if presence is None:
        return False
    try:
        os.kill(presence.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _path(data_dir: Path, role: str) -> Path:
    return data_dir / "run" / f"{role}.json"
