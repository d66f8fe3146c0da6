"""The audit trail as a file: a message a line, chained by digests of its own, so that it can be checked alone.

A line is ``NUMBER ENTRY-DIGEST LINE-DIGEST MESSAGE``; the line digest is SHA-256 over the line digest before and the
rest of the line. Rotated files (``audit.log.1``, ``audit.log-20260101``) hold the lines before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

NAME = "audit.log"


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line of the file.

    Attributes:
        audit_id: Number of the entry.
        entry_digest: Its digest in the trail.
        line_digest: Of this line and the one before.
        message: XML.
    """

    audit_id: int
    entry_digest: str
    line_digest: str
    message: str

    @property
    def text(self) -> str:
        """As it stands in the file."""
        return f"{self.audit_id} {self.entry_digest or '-'} {self.line_digest} {self.message}\n"


def chain_line(before: str, audit_id: int, entry_digest: str, message: str) -> AuditLine:
    """The line that follows one of digest `before`, which is empty for the first."""
    content = f"{before}\n{audit_id} {entry_digest or '-'} {message}"
    return AuditLine(audit_id, entry_digest, hashlib.sha256(content.encode()).hexdigest(), message)


def append_lines(folder: Path, lines: Iterable[AuditLine]) -> None:
    """Add lines; when this returns, they survive a power cut. Only the owner may read the file."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write("".join(line.text for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def cut_torn_line(folder: Path) -> None:
    """Remove a last line that a kill or a power cut left half written; it is written again."""
    path = folder / NAME
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def set_aside(folder: Path) -> str:
    """Give the files, rotated ones too, names that no longer count as the trail's; returns the present one's."""
    number = 1
    while (folder / f"aside-{number}-{NAME}").exists():
        number += 1
    for path in sorted(folder.glob(f"{NAME}*")):
        path.rename(folder / f"aside-{number}-{path.name}")
    return f"aside-{number}-{NAME}"


def last_line(folder: Path) -> AuditLine | None:
    """The newest whole line of the present file."""
    path = folder / NAME
    if not path.exists():
        return None
    newest = None
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            newest = text
    return _parse(newest) if newest else None


def read_lines(folder: Path) -> Iterator[AuditLine | str]:
    """Every line of the rotated files and the present one, oldest first; one that is none as its text."""
    for path in sorted(folder.glob(f"{NAME}*"), key=_first_number):
        with path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                if text.endswith("\n"):  # the last line may just be written
                    yield _parse(text) or text


def _first_number(path: Path) -> int:
    with path.open(encoding="utf-8", errors="replace") as file:
        number = file.readline().partition(" ")[0]
    return int(number) if number.isdigit() else 0


def _parse(text: str) -> AuditLine | None:
    parts = text.rstrip("\n").split(" ", 3)
    if len(parts) != 4 or not parts[0].isdigit():
        return None
    return AuditLine(int(parts[0]), parts[1].removeprefix("-"), parts[2], parts[3])


def first_break(lines: Iterable[AuditLine | str]) -> str | None:
    """Where the chain of lines breaks first, None if it is whole."""
    before = ""
    for number, line in enumerate(lines, start=1):
        if isinstance(line, str):
            return f"line {number} is no audit line"
        if chain_line(before, line.audit_id, line.entry_digest, line.message) != line:
            return f"line {number} (entry {line.audit_id}) was altered, or one before it was removed"
        before = line.line_digest
    return None
