"""Watches that no test patient's name or ID gets into a log line of the whole suite.

Who the test patients are is read from the DICOM files that the tests leave in their folders, and from the shared
samples; the lines are those of the node's loggers in this process, of every node process that a test started, of the
audit file, and the warnings that pytest recorded.
"""

from __future__ import annotations

import logging
import os
import re
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydicom import dcmread

LOGS = ("node.log", "audit.log*", "dicomnode*.log")
_HEAD_BYTES = 16384
_SHORTEST = 4
_TAGS = (b"\x10\x00\x10\x00", b"\x10\x00\x20\x00")  # Patient's Name and Patient ID, little endian
_TOKEN = re.compile(r"[^\s'\",;:()\[\]{}=<>]+")
_MOST_SHOWN = 20
# A few digits may be a port or a count, digits and dots a UID, and letters alone any word of a sentence
_AMBIGUOUS = re.compile(r"[0-9.]{1,6}|[0-9]+(\.[0-9]+)+|[A-Za-z]+")


class LogLines(logging.Handler):
    """Keeps each line once, with the test that wrote it."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: dict[str, str] = {}
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.note(self.format(record))

    def note(self, text: str) -> None:
        self.lines.setdefault(text, os.environ.get("PYTEST_CURRENT_TEST", "between tests"))


def patients_in(folders: Iterable[Path]) -> frozenset[str]:
    """Names and IDs of the patients of every DICOM file, as they could stand in a log line."""
    found: set[str] = set()
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found.update(_patient(path))
    return frozenset(found)


def leaks(lines: Mapping[str, str], patients: frozenset[str]) -> list[str]:
    """One line for each that names a patient: where it was written, and the line."""
    phrases = [patient for patient in patients if not _TOKEN.fullmatch(patient)]
    return [
        f"{where}: {line}"
        for line, where in lines.items()
        if not patients.isdisjoint(token.rstrip(".") for token in _TOKEN.findall(line))
        or any(phrase in line for phrase in phrases)
    ][:_MOST_SHOWN]


def lines_of_logs(folder: Path) -> dict[str, str]:
    """Every line of the log files under a folder, with its file."""
    paths = {path for pattern in LOGS for path in folder.rglob(pattern) if path.is_file()}
    return {line: str(path) for path in sorted(paths) for line in path.read_text(errors="replace").splitlines()}


def _patient(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:  # gone meanwhile
        return
    if head[128:132] != b"DICM":
        return
    values = [value for tag in _TAGS if (value := _value(head, tag))]
    if all(value.isascii() and b"\x1b" not in value for value in values):
        texts = [value.decode() for value in values]
    else:
        texts = _decoded(path)
    for text in texts:
        yield from _spellings(text.strip(" \0"))


def _decoded(path: Path) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(path, stop_before_pixels=True, specific_tags=["PatientName", "PatientID"])
            return [str(dataset.get("PatientName", "")), str(dataset.get("PatientID", ""))]
    except Exception:  # noqa: BLE001  tests leave broken files too, and pydicom raises many kinds
        return []


def _value(head: bytes, tag: bytes) -> bytes:
    at = head.find(tag, 132)
    if at < 0 or at + 8 > len(head):
        return b""
    explicit = head[at + 4 : at + 6] in (b"PN", b"LO")
    (length,) = struct.unpack_from("<H", head, at + 6) if explicit else struct.unpack_from("<I", head, at + 4)
    return head[at + 8 : at + 8 + length] if length <= 1024 else b""


def _spellings(value: str) -> Iterator[str]:
    for group in (value, *value.split("=")):
        for spelling in (group, " ".join(group.replace("^", " ").split())):
            if len(spelling) >= _SHORTEST and not _AMBIGUOUS.fullmatch(spelling):
                yield spelling
