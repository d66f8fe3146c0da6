"""The detector of patients in log lines detects them; what it watches is set up in tests/conftest.py."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.archives import make_file
from tests.phi import LogLines, leaks, lines_of_logs, patients_in

NAMES = {"PatientName": "Leaky^Wilhelmina=\u5c71\u7530^\u592a\u90ce", "PatientID": "LEAK-0815"}


@pytest.fixture
def patients(tmp_path: Path) -> frozenset[str]:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.dcm").write_bytes(make_file(SpecificCharacterSet="ISO_IR 192", **NAMES))
    (tmp_path / "no.dcm").write_bytes(b"no DICOM")
    return patients_in([tmp_path])


@pytest.mark.parametrize(
    "line",
    [
        "could not store 'Leaky^Wilhelmina'",
        "Patient Leaky Wilhelmina has come",
        "PatientID=LEAK-0815.",
        "(0010,0010) PN: \u5c71\u7530^\u592a\u90ce",
        "UserWarning: value for VR LO: 'LEAK-0815'",
    ],
)
def test_a_leak_is_found(patients: frozenset[str], line: str) -> None:
    assert leaks({line: "test", "a line": "test"}, patients) == [f"test: {line}"]


@pytest.mark.parametrize("line", ["study 1.2.3 stored", "LEAK-08150 is another", "Wilhelmina street", "Leaky pipe"])
def test_other_lines_are_not(patients: frozenset[str], line: str) -> None:
    assert leaks({line: "test"}, patients) == []


def test_loggers_and_log_files_are_read(patients: frozenset[str], tmp_path: Path) -> None:
    kept = LogLines()
    logger = logging.Logger("alone")
    logger.addHandler(kept)
    logger.warning("refused %s", "LEAK-0815")
    logger.warning("fine")
    assert len(leaks(kept.lines, patients)) == 1
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "node.log"
    path.write_text("fine\nLEAK-0815\n")
    try:
        assert leaks(lines_of_logs(tmp_path), patients) == [f"{path}: LEAK-0815"]
    finally:
        path.unlink()  # the watch over the whole run would find it as well


def test_short_or_ambiguous_values_are_left_out(tmp_path: Path) -> None:
    for number, (name, patient_id) in enumerate([("Doe", "P1"), ("Patient", "12345"), ("A^B", "1.2.840.1")]):
        content = make_file(f"1.2.3.1.{number}", PatientName=name, PatientID=patient_id)
        (tmp_path / f"{number}.dcm").write_bytes(content)
    assert patients_in([tmp_path]) == frozenset()
