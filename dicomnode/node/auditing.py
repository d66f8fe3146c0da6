"""Brings the audit trail to its file and to the audit record repository; the index is the queue of both."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from dicomnode.archive import Archive
from dicomnode.archive.audit import SinkMark
from dicomnode.dicom.audit import AuditEntry, AuditKind
from dicomnode.dicom.audit_message import Reporter, audit_message
from dicomnode.errors import DicomNodeError, PeerError
from dicomnode.security.audit_file import (
    NAME,
    AuditLine,
    append_lines,
    chain_line,
    cut_torn_line,
    first_break,
    last_line,
    read_lines,
    set_aside,
)
from dicomnode.security.syslog import SyslogConnection, SyslogMessage
from dicomnode.security.tls import client_context
from dicomnode.settings import Settings, TlsClientSettings

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_BATCH = 200
FILE, SYSLOG = "file", "syslog"


class AuditFile:
    """Appends what is new to ``audit/audit.log`` in the data folder; one process at a time."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self._archive = archive
        self._folder = settings.node.data_dir / "audit"
        self._reporter = reporter(settings)

    def run(self, stop: threading.Event) -> None:
        """Append until told to stop; a disk that cannot take it is tried again."""
        trouble = ""
        waiter = self._archive.wakeups.waiter()
        while not stop.is_set():
            try:
                self.take_up()
                while self.append_new() > 0:
                    trouble = ""
            except OSError as error:
                if not trouble:
                    _LOG.error("%s: %s; audit messages wait in the index", self._folder / NAME, error.strerror)
                trouble = str(error)
            waiter.wait(stop, _LONGEST_PAUSE_SECONDS)
            stop.wait(_PAUSE_SECONDS)  # at most so often, however much goes on

    def take_up(self) -> None:
        """Go on where a killed predecessor was: its last line may not be noted yet.

        A file whose last entry is not in the index belongs to another one, which was restored or built anew: it is
        kept under another name, and a new file begins with the first entry of this index.
        """
        cut_torn_line(self._folder)
        line, mark = last_line(self._folder), self._archive.audit.mark(FILE)
        if line is None or line.line_digest == mark.digest:
            return
        entry = next(iter(self._archive.audit.after(line.audit_id - 1, 1)), None)
        if entry is None or (entry.audit_id, entry.digest) != (line.audit_id, line.entry_digest):
            text = f"{NAME} is of another index; kept as {set_aside(self._folder)}"
            _LOG.warning("%s", text)
            self._archive.audit.move_mark(FILE, SinkMark())
            now = datetime.now(UTC)
            self._archive.audit.add("audit file set aside", text, now, kind=AuditKind.SECURITY_ALERT)
        elif line.audit_id > mark.audit_id:
            self._archive.audit.move_mark(FILE, SinkMark(line.audit_id, line.line_digest))

    def append_new(self) -> int:
        """Append what is new; returns how many entries that were."""
        mark = self._archive.audit.mark(FILE)
        entries = self._archive.audit.after(mark.audit_id, _BATCH)
        lines = list(self._lines(entries, mark.digest))
        if lines:
            append_lines(self._folder, lines)
            self._archive.audit.move_mark(FILE, SinkMark(lines[-1].audit_id, lines[-1].line_digest))
        return len(lines)

    def _lines(self, entries: list[AuditEntry], before: str) -> Iterator[AuditLine]:
        for entry in entries:
            line = chain_line(before, entry.audit_id, entry.digest, audit_message(entry, self._reporter))
            before = line.line_digest
            yield line


class AuditSyslog:
    """Sends what is new to the audit record repository, and goes on trying while it is away."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self._archive = archive
        self._audit = settings.audit
        self._reporter = reporter(settings)
        certificates = settings.audit.tls or TlsClientSettings.model_validate({})
        self._tls = client_context(certificates, "audit.tls") if settings.audit.syslog_tls else None

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop."""
        pause = _PAUSE_SECONDS
        waiter = self._archive.wakeups.waiter()
        while not stop.is_set():
            try:
                busy = self.send_new() > 0
            except PeerError as error:
                if pause == _PAUSE_SECONDS:
                    _LOG.warning("%s; audit messages wait in the index", error)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                stop.wait(pause)
                continue
            if busy and pause > _PAUSE_SECONDS:
                _LOG.info("the audit record repository takes messages again")
            pause = _PAUSE_SECONDS
            if not busy:
                waiter.wait(stop, _LONGEST_PAUSE_SECONDS)
                stop.wait(pause)

    def send_new(self) -> int:
        """Send what is new; returns how many messages that were.

        Raises:
            PeerUnavailableError: The repository is away; nothing counts as sent.
        """
        entries = self._archive.audit.after(self._archive.audit.mark(SYSLOG).audit_id, _BATCH)
        if not entries or self._audit.syslog_host is None:
            return 0
        with SyslogConnection(self._audit.syslog_host, self._audit.syslog_port, self._tls) as connection:
            connection.send(self._message(entry) for entry in entries)
        self._archive.audit.move_mark(SYSLOG, SinkMark(entries[-1].audit_id, entries[-1].digest))
        return len(entries)

    def _message(self, entry: AuditEntry) -> SyslogMessage:
        reporting = self._reporter
        return SyslogMessage(entry.at, reporting.host, reporting.process_id, audit_message(entry, reporting))


def reporter(settings: Settings) -> Reporter:
    """This process of the node."""
    return Reporter(settings.node.ae_title, socket.gethostname(), os.getpid())


def trail_problems(archive: Archive, settings: Settings) -> list[str]:
    """What is wrong with the trail: the first break in the index and in the file, and where the two disagree."""
    problems = [f"index: {broken}"] if (broken := archive.audit.first_break()) else []
    if settings.audit.file:
        folder = settings.node.data_dir / "audit"
        broken = first_break(read_lines(folder)) or _disagreement(archive, read_lines(folder))
        problems += [f"{folder / NAME}: {broken}"] if broken else []
    return problems


def _disagreement(archive: Archive, lines: Iterator[AuditLine | str]) -> str | None:
    """The first entry that only one of file and index holds, as far as the file should have come."""
    mark = archive.audit.mark(FILE)
    entries = archive.audit.all()
    for line in lines:
        if isinstance(line, str):
            raise DicomNodeError("a line that is none was not told")
        entry = next(entries, None)
        if entry is None or line.audit_id < entry.audit_id:
            return f"entry {line.audit_id} is in the file and no longer in the index"
        if line.audit_id > entry.audit_id:
            return f"entry {entry.audit_id} is in the index and not in the file"
        if line.entry_digest != entry.digest:
            return f"entry {line.audit_id} is not the same in the index"
    missing = next(entries, None)
    if missing is not None and missing.audit_id <= mark.audit_id:
        return f"entry {missing.audit_id} was in the file and is not any more"
    return None
