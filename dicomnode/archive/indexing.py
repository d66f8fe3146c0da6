"""How an instance enters the index: its row, its series' and its study's, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import Connection, func, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.contents import count_one
from dicomnode.archive.database import IndexRow
from dicomnode.archive.matching import name_key, name_words
from dicomnode.archive.records import Kind, Origin, PatientStudy, StudyState, TraceEntry
from dicomnode.archive.traces import add_trace
from dicomnode.dicom.header import InstanceHeader
from dicomnode.dicom.kinds import is_derived_document
from dicomnode.dicom.uids import NODE_MANUFACTURER
from dicomnode.study import Instance

# What a study is told that is not to be replayed, or not any more
NO_REPLAY: Mapping[str, None] = MappingProxyType({"replay_priority": None, "replay_model": None, "replay_silent": None})


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
    if made_here or any(maker.strip().lower() == NODE_MANUFACTURER for maker, _ in header.contributing):
        return Kind.OWN
    return Kind.DOCUMENT if is_derived_document(header.sop_class_uid) else Kind.SOURCE


def identity_conflict(connection: Connection, header: InstanceHeader) -> str | None:
    """Say how an instance's patient contradicts its study's, without naming either."""
    rows = tables.studies
    known = connection.execute(
        select(rows.c.patient_id, rows.c.issuer_of_patient_id).where(
            rows.c.study_instance_uid == header.study_instance_uid
        )
    ).one_or_none()
    if known is None:
        return None
    if known.patient_id != header.patient_id:
        return f"instance {header.sop_instance_uid} has another Patient ID than its study"
    issuers = {known.issuer_of_patient_id, header.issuer_of_patient_id} - {""}
    if len(issuers) > 1:
        return f"instance {header.sop_instance_uid} has another Issuer of Patient ID than its study"
    return None


def add_instance(connection: Connection, kept: Kept, now: datetime) -> None:
    """Add an instance with its series and study; opens the study if the instance is a source."""
    header = kept.header
    _ensure_study(connection, header, now)
    _ensure_series(connection, header)
    connection.execute(
        insert(tables.instances).values(
            sop_instance_uid=header.sop_instance_uid,
            sop_class_uid=header.sop_class_uid,
            series_instance_uid=header.series_instance_uid,
            study_instance_uid=header.study_instance_uid,
            transfer_syntax_uid=header.transfer_syntax_uid,
            kind=kept.kind,
            path=kept.path.as_posix(),
            sha256=kept.sha256,
            modality=header.modality,
            instance_number=header.instance_number,
            number_of_frames=header.number_of_frames,
            rows=header.rows,
            columns=header.columns,
            received_at=now,
            size=kept.size,
        )
    )
    count_one(connection, header, kept.kind)
    if kept.kind is Kind.SOURCE:
        open_study(connection, header.study_instance_uid, now)


def open_study(connection: Connection, study_instance_uid: str, now: datetime) -> None:
    """Note an arrival that makes the study wait for more; re-opens a complete one."""
    rows = tables.studies
    study = connection.execute(select(rows).where(rows.c.study_instance_uid == study_instance_uid)).one()
    values: dict[str, object] = {
        "arrivals": study.arrivals + 1,
        "last_arrival": max(now, study.last_arrival),
        **NO_REPLAY,  # a study that something new belongs to is live work
    }
    if study.state == StudyState.COMPLETE:
        values |= {"state": StudyState.OPEN, "first_arrival": now, "last_arrival": now}
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


def _ensure_study(connection: Connection, header: InstanceHeader, now: datetime) -> None:
    rows = tables.studies
    uid = header.study_instance_uid
    if connection.execute(select(rows.c.state).where(rows.c.study_instance_uid == uid)).first() is not None:
        return
    attributes = {field.name: getattr(header, field.name) for field in fields(PatientStudy)}
    connection.execute(
        insert(rows).values(
            study_instance_uid=uid,
            # Complete at generation 0: a study of documents alone waits for nothing and is never routed.
            state=StudyState.COMPLETE,
            generation=0,
            routed_generation=0,
            arrivals=0,
            created_at=now,
            first_arrival=now,
            last_arrival=now,
            patient_name_key=name_key(header.patient_name),
            patient_name_words=name_words(header.patient_name),
            referring_physician_name_words=name_words(header.referring_physician_name),
            **attributes,
        )
    )


def _ensure_series(connection: Connection, header: InstanceHeader) -> None:
    rows = tables.series
    known = select(rows.c.modality).where(
        rows.c.study_instance_uid == header.study_instance_uid,
        rows.c.series_instance_uid == header.series_instance_uid,
    )
    if connection.execute(known).first() is not None:
        return
    connection.execute(
        insert(rows).values(
            study_instance_uid=header.study_instance_uid,
            series_instance_uid=header.series_instance_uid,
            modality=header.modality,
            series_number=header.series_number,
            series_description=header.series_description,
            body_part_examined=header.body_part_examined,
            manufacturer_model_name=header.manufacturer_model_name,
            performed_procedure_step_start_date=header.performed_procedure_step_start_date,
            performed_procedure_step_start_time=header.performed_procedure_step_start_time,
            scheduled_procedure_step_id=header.scheduled_procedure_step_id,
            requested_procedure_id=header.requested_procedure_id,
        )
    )
