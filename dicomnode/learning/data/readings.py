"""What readers said of exams, breasts or images: from a table, or from their structured reports."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.dicom.assessments import LIKELIHOOD, assessments_of, likelihood, observer_of
from dicomnode.dicom.parsing import PARSE_ERRORS
from dicomnode.errors import InputError, RecipeError

CASE_COLUMNS = ("image", "exam", "patient")
_SIDES = {"": "", "l": "L", "left": "L", "r": "R", "right": "R"}


@dataclass(frozen=True, slots=True)
class Reading:
    """One assessment by one reader.

    Attributes:
        reader: Who, by a name that tells readers apart.
        probability: Of cancer, or of what the model looks for, 0..1.
        image: Name of the picture in the data folder, if it is of one.
        exam: The exam; of a structured report, its Study Instance UID.
        patient: The patient; of a structured report, the Patient ID.
        side: ``L`` or ``R``, or empty if it is not of one breast.
    """

    reader: str
    probability: float
    image: str = ""
    exam: str = ""
    patient: str = ""
    side: str = ""


def read_readings(path: Path) -> tuple[Reading, ...]:
    """Readings of a CSV file, or of every structured report in a DICOM file or a folder.

    A table has the columns ``reader``, one or more of ``image``, ``exam`` and ``patient``, ``breast`` (L, R or empty;
    may be left out), and ``probability`` (0..1) or ``birads`` (1, 2, 3, 4, 4A, 4B, 4C, 5, 6).

    Raises:
        RecipeError: If there is no such file, a row is wrong or double, or no report holds an assessment.
    """
    if not path.exists():
        raise RecipeError(f"readings {path}: is missing; give a CSV file or a folder of structured reports")
    if path.suffix.lower() == ".csv":
        return tuple(_from_table(path))
    return _from_reports(path)


def _from_table(path: Path) -> Iterator[Reading]:
    seen: set[Reading] = set()
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.DictReader(lines)
        _check_columns(path, set(rows.fieldnames or ()))
        for row in rows:
            where = f"readings {path}: line {rows.line_num}"
            if None in row or None in row.values():
                raise RecipeError(f"{where}: has another number of values than the first line has columns")
            reading = _from_row(row, where)
            if (case := replace(reading, probability=0.0)) in seen:
                raise RecipeError(f"{where}: this reader has assessed this case in an earlier line; keep one")
            seen.add(case)
            yield reading


def _check_columns(path: Path, has: set[str]) -> None:
    wanted = {"reader": {"reader"}, "image, exam or patient": set(CASE_COLUMNS)}
    wanted["probability or birads"] = {"probability", "birads"}
    for name, columns in wanted.items():
        if not columns & has:
            raise RecipeError(f"readings {path}: column {name} is missing")


def _from_row(row: Mapping[str, str], where: str) -> Reading:
    side = _SIDES.get(row.get("breast", "").strip().lower())
    if side is None:
        raise RecipeError(f"{where}: breast {row['breast']!r} is none of L, R, left, right or empty")
    if not row["reader"].strip():
        raise RecipeError(f"{where}: reader is empty; name one")
    case = {column: row.get(column, "").strip() for column in CASE_COLUMNS}
    return Reading(row["reader"].strip(), _probability(row, where), side=side, **case)


def _probability(row: Mapping[str, str], where: str) -> float:
    text = row.get("probability", "").strip()
    try:
        if not text:
            return likelihood(row.get("birads", ""))
        value = float(text)
    except InputError as error:
        raise RecipeError(f"{where}: {error}") from error
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise RecipeError(f"{where}: probability {text!r} is no number from 0 to 1")
    return value


def _from_reports(path: Path) -> tuple[Reading, ...]:
    """The newest report of every reader and study; readers are numbered, as names have no place in figures."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    newest: dict[tuple[str, str], tuple[str, tuple[Reading, ...]]] = {}
    looked_at = 0
    for document in filter(None, map(_report, files)):
        looked_at += 1
        observer = observer_of(document)
        readings = () if observer is None else tuple(_from_report(document, observer))
        moment = f"{document.get('ContentDate', '')}{document.get('ContentTime', '')}"
        key = (observer or "", str(document.get("StudyInstanceUID", "")))
        if readings and moment >= newest.get(key, ("", ()))[0]:
            newest[key] = (moment, readings)
    if not newest:
        raise RecipeError(
            f"readings {path}: none of {looked_at} structured reports holds a person's assessment; a report needs an "
            "Assessment Category (111005, DCM) with a BI-RADS code, or a Probability of cancer (111047, DCM)"
        )
    numbers = {name: f"reader {number}" for number, name in enumerate(sorted({who for who, _ in newest}), 1)}
    found = [reading for _, readings in newest.values() for reading in readings]
    return tuple(replace(reading, reader=numbers[reading.reader]) for reading in found)


def _report(file: Path) -> Dataset | None:
    """A structured report; None if the file is anything else."""
    try:
        if dcmread(file, specific_tags=["Modality"], stop_before_pixels=True).get("Modality") != "SR":
            return None
        return dcmread(file)
    except (*PARSE_ERRORS, OSError):
        return None


def _from_report(document: Dataset, observer: str) -> Iterator[Reading]:
    exam, patient = str(document.get("StudyInstanceUID", "")), str(document.get("PatientID", ""))
    try:
        for one in assessments_of(document):
            yield Reading(observer, one.probability, exam=exam, patient=patient, side=one.side)
    except InputError as error:
        raise RecipeError(f"structured report {document.get('SOPInstanceUID', '')}: {error}") from error


def table_of_likelihoods() -> str:
    """The table by which BI-RADS categories become probabilities, in one line."""
    return ", ".join(f"{category}: {probability:g}" for category, probability in LIKELIHOOD.items())
