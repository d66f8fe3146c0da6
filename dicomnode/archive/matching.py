"""Matching keys of QIDO-RS as conditions on the index (PS3.4 C.2.2.2, PS3.18 8.3.4)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, or_, true

from dicomnode.archive import tables
from dicomnode.archive.records import ASIDE, QidoQuery
from dicomnode.errors import UsageError

Condition = ColumnElement[bool]
Matcher = Callable[[Any, str], Condition]

_STUDIES, _SERIES, _INSTANCES = tables.studies.c, tables.series.c, tables.instances.c
_DATE = re.compile(r"(\d{8})?(-?)(\d{8})?")
_TIME = re.compile(r"([\d.]*)(-?)([\d.]*)")
_LAST_CHARACTER = "\U0010ffff"  # no text goes on with it: it is no character and never will be (Unicode 23.7)


def conditions(query: QidoQuery, keys: dict[str, tuple[Any, Matcher]]) -> Condition:
    """All keys of a query combined.

    Raises:
        UsageError: A key is not known at this level, or its value is no date, time or number.
    """
    found: list[Condition] = [true()]
    for keyword, value in query.match:
        if keyword not in keys:
            raise UsageError(f"cannot search by {keyword} at this level; known are: {', '.join(sorted(keys))}")
        column, matches = keys[keyword]
        if "\0" in value:
            raise UsageError(f"the value of {keyword} holds a NUL character, which no attribute does")
        if value in ("", "*"):  # universal matching, PS3.4 C.2.2.2.3
            continue
        words = _FUZZY.get(keyword) if query.fuzzy else None
        literal = matches(column, value)
        found.append(literal if words is None else or_(literal, _words(words, value)))
    return and_(*found)


def _text(column: Any, value: str) -> Condition:
    """Single value and wild card matching (PS3.4 C.2.2.2.1, C.2.2.2.4)."""
    if "*" not in value and "?" not in value:
        condition: Condition = column == value
        return condition
    pattern = re.sub(r"([%_~])", r"~\1", value).replace("*", "%").replace("?", "_")
    like: Condition = column.like(pattern, escape="~")
    return and_(_begins(column, re.split(r"[*?]", value)[0]), like)


def _begins(column: Any, beginning: str) -> Condition:
    """As a range, which every database finds by its index; the index compares text by its code points."""
    if not beginning:
        return true()
    return and_(column >= beginning, column < beginning + _LAST_CHARACTER)


def name_key(name: str) -> str:
    """What person names are compared by: without regard to case and to empty components at the end."""
    return name.casefold().rstrip("^=")


def name_words(name: str) -> str:
    """The words of all groups and components of a name without case and accents, a space before and behind each.

    Examples:
        >>> name_words("Müller-Lüdenscheidt^Ana María")
        ' muller ludenscheidt ana maria '
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).casefold()
    words = re.findall(r"\w+", plain)
    return f" {' '.join(words)} " if words else ""


def _words(column: Any, value: str) -> Condition:
    """Each word that is asked for begins a word of the name (fuzzy semantic matching, PS3.18 8.3.4.2)."""
    wanted = [re.sub(r"([%_~])", r"~\1", word) for word in name_words(value).split()]
    return and_(true() if wanted else false(), *(column.like(f"% {word}%", escape="~") for word in wanted))


def _name(column: Any, value: str) -> Condition:
    return _text(column, name_key(value))


def _uids(column: Any, value: str) -> Condition:
    """List of UID matching (PS3.4 C.2.2.2.2)."""
    listed: Condition = column.in_([uid.strip() for uid in re.split(r"[,\\]", value) if uid.strip()])
    return listed


def _date(column: Any, value: str) -> Condition:
    """Single date or range matching (PS3.4 C.2.2.2.5); studies without a date match no range."""
    found = _DATE.fullmatch(value)
    if found is None or not (found[1] or found[3]):
        raise UsageError(f"date {value!r} is neither YYYYMMDD nor a range such as 20260101-20261231")
    return _range(column, found[1] or "", found[2], found[3] or "")


def _time(column: Any, value: str) -> Condition:
    found = _TIME.fullmatch(value.replace(":", ""))
    if found is None:
        raise UsageError(f"time {value!r} is neither HHMMSS nor a range such as 0800-1200")
    last = found[3] + "9999" if found[3] else ""  # until 1200 includes 120059.5
    return _range(column, found[1], found[2], last)


def _range(column: Any, first: str, dash: str, last: str) -> Condition:
    if not dash:
        single: Condition = column == first
        return single
    conditions: list[Condition] = [column != ""]
    if first:
        conditions.append(column >= first)
    if last:
        conditions.append(column <= last)
    return and_(*conditions)


def _number(column: Any, value: str) -> Condition:
    if not re.fullmatch(r"-?\d{1,9}", value):
        raise UsageError(f"{value!r} is not a whole number")
    equal: Condition = column == int(value)
    return equal


def _modalities(_column: Any, value: str) -> Condition:
    """Any series of one of these modalities (ModalitiesInStudy, PS3.4 C.3.4)."""
    wanted = [item.strip() for item in re.split(r"[,\\]", value) if item.strip()]
    held = tables.contents.alias().c
    return exists().where(
        held.study_instance_uid == _STUDIES.study_instance_uid,
        held.kind.not_in(ASIDE),
        or_(false(), *(_text(held.modality, item) for item in wanted)),
    )


STUDY_KEYS: dict[str, tuple[Any, Matcher]] = {
    "StudyInstanceUID": (_STUDIES.study_instance_uid, _uids),
    "PatientID": (_STUDIES.patient_id, _text),
    "IssuerOfPatientID": (_STUDIES.issuer_of_patient_id, _text),
    "PatientName": (_STUDIES.patient_name_key, _name),
    "PatientBirthDate": (_STUDIES.patient_birth_date, _date),
    "PatientSex": (_STUDIES.patient_sex, _text),
    "AccessionNumber": (_STUDIES.accession_number, _text),
    "StudyID": (_STUDIES.study_id, _text),
    "StudyDate": (_STUDIES.study_date, _date),
    "StudyTime": (_STUDIES.study_time, _time),
    "StudyDescription": (_STUDIES.study_description, _text),
    "ReferringPhysicianName": (_STUDIES.referring_physician_name, _text),
    "ModalitiesInStudy": (tables.contents.c.modality, _modalities),
}

_FUZZY = {
    "PatientName": _STUDIES.patient_name_words,
    "ReferringPhysicianName": _STUDIES.referring_physician_name_words,
}

SERIES_KEYS: dict[str, tuple[Any, Matcher]] = {
    "SeriesInstanceUID": (_SERIES.series_instance_uid, _uids),
    "Modality": (_SERIES.modality, _text),
    "SeriesNumber": (_SERIES.series_number, _number),
    "SeriesDescription": (_SERIES.series_description, _text),
    "BodyPartExamined": (_SERIES.body_part_examined, _text),
    "PerformedProcedureStepStartDate": (_SERIES.performed_procedure_step_start_date, _date),
    "PerformedProcedureStepStartTime": (_SERIES.performed_procedure_step_start_time, _time),
    "ScheduledProcedureStepID": (_SERIES.scheduled_procedure_step_id, _text),
    "RequestedProcedureID": (_SERIES.requested_procedure_id, _text),
}

INSTANCE_KEYS: dict[str, tuple[Any, Matcher]] = {
    "SOPInstanceUID": (_INSTANCES.sop_instance_uid, _uids),
    "SOPClassUID": (_INSTANCES.sop_class_uid, _uids),
    "InstanceNumber": (_INSTANCES.instance_number, _number),
}
