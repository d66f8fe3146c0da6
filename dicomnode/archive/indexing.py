"""How an instance enters the index: its row, its series' and its study's, in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import Connection, func, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.contents import content_key, count_new
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.matching import name_key, name_words
from dicomnode.archive.records import Kind, Origin, PatientStudy, StudyState, TraceEntry
from dicomnode.archive.traces import add_trace
from dicomnode.dicom.header import InstanceHeader
from dicomnode.dicom.kinds import is_derived_document
from dicomnode.dicom.uids import NODE_MANUFACTURER
from dicomnode.study import Instance

# What a study is told that is not to be replayed, or not any more
NO_REPLAY: Mapping[str, None] = MappingProxyType({"replay_priority": None, "replay_model": None, "replay_silent": None})


Patient = tuple[str, str]
_STANDING = (
    "SELECT (SELECT 1 FROM instances WHERE sop_instance_uid = ?), (SELECT 1 FROM evidence WHERE sop_instance_uid = ?),"
    " (SELECT 1 FROM substitutes WHERE sop_instance_uid = ?),"
    " (SELECT patient_id FROM studies WHERE study_instance_uid = ?),"
    " (SELECT issuer_of_patient_id FROM studies WHERE study_instance_uid = ?)"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that has its final name, and what it holds.

    Attributes:
        header: Of the instance.
        path: Relative to the data folder.
        sha256: Hex digest of the file.
        kind: What it means to the node.
        size: Of the file, in bytes.
    """

    header: InstanceHeader
    path: Path
    sha256: str
    kind: Kind
    size: int


def kind_of(connection: Connection, header: InstanceHeader) -> Kind:
    """Tell the node's own evidence, other people's documents and source instances apart."""
    made = (tables.evidence.c.sop_instance_uid, tables.substitutes.c.sop_instance_uid)
    uid = header.sop_instance_uid
    made_here = any(connection.execute(select(rows).where(rows == uid)).first() is not None for rows in made)
    return Kind.OWN if made_here else told_kind(header)


def told_kind(header: InstanceHeader) -> Kind:
    """The same as far as the instance itself tells."""
    if any(maker.strip().lower() == NODE_MANUFACTURER for maker, _ in header.contributing):
        return Kind.OWN
    return Kind.DOCUMENT if is_derived_document(header.sop_class_uid) else Kind.SOURCE


def known_here(connection: Connection, sop_instance_uids: Sequence[str]) -> set[str]:
    """Those of these instances that are here, or were made here."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    marks, found = ", ".join([mark] * len(sop_instance_uids)), set()
    for table in ("instances", "evidence", "substitutes"):
        query = f"SELECT sop_instance_uid FROM {table} WHERE sop_instance_uid IN ({marks})"  # noqa: S608  our own names
        found |= {str(uid) for (uid,) in connection.exec_driver_sql(query, tuple(sop_instance_uids))}
    return found


def patients_of(connection: Connection, study_instance_uids: Iterable[str]) -> dict[str, Patient]:
    """Patient ID and Issuer of Patient ID of those of these studies that are here."""
    rows = tables.studies.c
    query = select(rows.study_instance_uid, rows.patient_id, rows.issuer_of_patient_id)
    found = connection.execute(query.where(rows.study_instance_uid.in_(list(study_instance_uids))))
    return {uid: (patient_id, issuer) for uid, patient_id, issuer in found}


def patient_of(header: InstanceHeader) -> Patient:
    """Patient ID and Issuer of Patient ID of an instance."""
    return (header.patient_id, header.issuer_of_patient_id)


def is_plainly_new(database: Database, header: InstanceHeader) -> bool:
    """Whether an instance is neither here, nor the node's own, nor of another patient than its study; cheap to ask."""
    if told_kind(header) is Kind.OWN:
        return False
    uid, study = header.sop_instance_uid, header.study_instance_uid
    row = database.look_up(_STANDING, uid, uid, uid, study, study)
    *known, patient_id, issuer = row or (None, None, None, None, None)
    patient = None if patient_id is None else (str(patient_id), str(issuer))
    return known == [None, None, None] and contradiction(patient, header) is None


def contradiction(known: Patient | None, header: InstanceHeader) -> str | None:
    """Say how an instance's patient contradicts its study's, if that is known, without naming either."""
    if known is None:
        return None
    patient_id, issuer = known
    if patient_id != header.patient_id:
        return f"instance {header.sop_instance_uid} has another Patient ID than its study"
    if len({issuer, header.issuer_of_patient_id} - {""}) > 1:
        return f"instance {header.sop_instance_uid} has another Issuer of Patient ID than its study"
    return None


def identity_conflict(connection: Connection, header: InstanceHeader) -> str | None:
    """The same, asking the index."""
    uid = header.study_instance_uid
    return contradiction(patients_of(connection, [uid]).get(uid), header)


def add_instance(connection: Connection, kept: Kept, now: datetime) -> None:
    """Add an instance with its series and study; opens the study if the instance is a source."""
    add_instances(connection, [(kept, now)])


def add_instances(connection: Connection, arrivals: Sequence[tuple[Kept, datetime]]) -> None:
    """Add instances that are not here with their series and studies; opens the studies of those that are sources.

    Args:
        connection: Of the caller's transaction.
        arrivals: At least one, with the time of its arrival, in the order in which they came.
    """
    _ensure_studies(connection, arrivals)
    _ensure_series(connection, [kept.header for kept, _ in arrivals])
    connection.execute(insert(tables.instances), [_instance_values(kept, at) for kept, at in arrivals])
    count_new(connection, Counter(content_key(kept.header, kept.kind) for kept, _ in arrivals))
    opened: dict[str, list[datetime]] = {}
    for kept, at in arrivals:
        if kept.kind is Kind.SOURCE:
            opened.setdefault(kept.header.study_instance_uid, []).append(at)
    for study_instance_uid, times in opened.items():
        _open_study(connection, study_instance_uid, times)


def open_study(connection: Connection, study_instance_uid: str, now: datetime) -> None:
    """Note an arrival that makes the study wait for more; re-opens a complete one."""
    _open_study(connection, study_instance_uid, [now])


def _open_study(connection: Connection, study_instance_uid: str, times: Sequence[datetime]) -> None:
    rows = tables.studies
    study = connection.execute(select(rows).where(rows.c.study_instance_uid == study_instance_uid)).one()
    values: dict[str, object] = {
        "arrivals": study.arrivals + len(times),
        "last_arrival": max(*times, study.last_arrival),
        **NO_REPLAY,  # a study that something new belongs to is live work
    }
    if study.state == StudyState.COMPLETE:
        now = times[0]
        values |= {"state": StudyState.OPEN, "first_arrival": now, "last_arrival": max(times)}
        if study.generation > 0:
            text = "a late instance arrived: the study is open again and will be analysed anew"
            add_trace(connection, TraceEntry(study_instance_uid, study.generation, "reopened", None, text, now))
    connection.execute(update(rows).where(rows.c.study_instance_uid == study_instance_uid).values(values))


def add_origin(connection: Connection, study_instance_uid: str, origin: Origin, now: datetime) -> bool:
    """Remember where source instances of a study came from; tells whether that is new."""
    rows = tables.study_origins
    key = {
        "study_instance_uid": study_instance_uid,
        "way": origin.way,
        "calling_ae_title": origin.calling_ae_title.strip(),
        "called_ae_title": origin.called_ae_title.strip(),
        "peer": origin.peer,
    }
    if connection.execute(select(rows.c.way).filter_by(**key)).first() is not None:
        return False
    connection.execute(insert(rows).values(first_seen=now, **key))
    return True


def note_repetition(connection: Connection, study_instance_uid: str, origin: Origin, now: datetime) -> None:
    """Tell in its trace why a complete study that comes once more, by another way, is not analysed anew."""
    rows = tables.studies
    study = connection.execute(select(rows).where(rows.c.study_instance_uid == study_instance_uid)).one()
    if study.state == StudyState.COMPLETE and study.generation > 0:
        where = f" to AE title {origin.called_ae_title}" if origin.called_ae_title else ""
        text = f"sent again by {origin.way}{where}: instances that are here already start no new analysis"
        add_trace(connection, TraceEntry(study_instance_uid, study.generation, "sent again", None, text, now))


def study_generation(connection: Connection, study_instance_uid: str) -> int:
    """Completions of a study so far; 0 if it is not known."""
    rows = tables.studies
    query = select(func.max(rows.c.generation)).where(rows.c.study_instance_uid == study_instance_uid)
    return connection.execute(query).scalar_one() or 0


def instance_from_kept(kept: Kept, root: Path) -> Instance:
    """A kept file as a value; the path becomes absolute."""
    header = kept.header
    return Instance(
        header.sop_instance_uid,
        header.sop_class_uid,
        header.series_instance_uid,
        header.study_instance_uid,
        header.transfer_syntax_uid,
        root / kept.path,
        kept.sha256,
        header.modality,
        header.instance_number,
        header.number_of_frames,
    )


def instance_from_row(row: IndexRow, root: Path) -> Instance:
    """An index row as a value; the path becomes absolute."""
    return Instance(
        row.sop_instance_uid,
        row.sop_class_uid,
        row.series_instance_uid,
        row.study_instance_uid,
        row.transfer_syntax_uid,
        root / row.path,
        row.sha256,
        row.modality,
        row.instance_number,
        row.number_of_frames,
    )


def _instance_values(kept: Kept, now: datetime) -> dict[str, object]:
    header = kept.header
    return {
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "series_instance_uid": header.series_instance_uid,
        "study_instance_uid": header.study_instance_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "kind": kept.kind,
        "path": kept.path.as_posix(),
        "sha256": kept.sha256,
        "modality": header.modality,
        "instance_number": header.instance_number,
        "number_of_frames": header.number_of_frames,
        "rows": header.rows,
        "columns": header.columns,
        "received_at": now,
        "size": kept.size,
    }


def _ensure_studies(connection: Connection, arrivals: Sequence[tuple[Kept, datetime]]) -> None:
    first: dict[str, tuple[InstanceHeader, datetime]] = {}
    for kept, at in arrivals:
        first.setdefault(kept.header.study_instance_uid, (kept.header, at))
    rows = tables.studies.c.study_instance_uid
    known = set(connection.execute(select(rows).where(rows.in_(first))).scalars())
    missing = [_study_values(header, at) for uid, (header, at) in first.items() if uid not in known]
    if missing:
        connection.execute(insert(tables.studies), missing)


def _study_values(header: InstanceHeader, now: datetime) -> dict[str, object]:
    return {
        "study_instance_uid": header.study_instance_uid,
        # Complete at generation 0: a study of documents alone waits for nothing and is never routed.
        "state": StudyState.COMPLETE,
        "generation": 0,
        "routed_generation": 0,
        "arrivals": 0,
        "created_at": now,
        "first_arrival": now,
        "last_arrival": now,
        "patient_name_key": name_key(header.patient_name),
        "patient_name_words": name_words(header.patient_name),
        "referring_physician_name_words": name_words(header.referring_physician_name),
        **{field.name: getattr(header, field.name) for field in fields(PatientStudy)},
    }


def _ensure_series(connection: Connection, headers: Iterable[InstanceHeader]) -> None:
    first: dict[tuple[str, str], InstanceHeader] = {}
    for header in headers:
        first.setdefault((header.study_instance_uid, header.series_instance_uid), header)
    rows = tables.series.c
    key = (rows.study_instance_uid, rows.series_instance_uid)
    wanted = rows.series_instance_uid.in_({series for _, series in first})
    known = {(study, series) for study, series in connection.execute(select(*key).where(wanted))}
    missing = [_series_values(header) for pair, header in first.items() if pair not in known]
    if missing:
        connection.execute(insert(tables.series), missing)


def _series_values(header: InstanceHeader) -> dict[str, object]:
    return {column: getattr(header, column) for column in tables.series.c.keys()}  # noqa: SIM118  a collection
