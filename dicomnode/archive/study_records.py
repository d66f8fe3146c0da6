"""Index rows of studies as values, with what their instances add up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

from sqlalchemy import Connection, select

from dicomnode.archive import tables
from dicomnode.archive.database import IndexRow
from dicomnode.archive.records import ASIDE, Kind, PatientStudy, StudyRecord, StudyState

_CHUNK = 500  # SQLite takes a limited number of parameters in one statement


@dataclass(slots=True)
class _Sum:
    source_instances: int = 0
    instances: int = 0
    series: set[str] = field(default_factory=set)
    modalities: set[str] = field(default_factory=set)
    sop_classes: set[str] = field(default_factory=set)


def study_records(connection: Connection, rows: Sequence[IndexRow]) -> list[StudyRecord]:
    """Study rows as values, in the given order."""
    sums: dict[str, _Sum] = {row.study_instance_uid: _Sum() for row in rows}
    for held in shown_contents(connection, list(sums)):
        _add(sums[held.study_instance_uid], held)
    return [_record(row, sums[row.study_instance_uid]) for row in rows]


def shown_contents(connection: Connection, study_instance_uids: Sequence[str]) -> Iterator[IndexRow]:
    """What the series of studies hold, without what is kept aside."""
    rows = tables.contents
    shown = select(rows).where(rows.c.kind.not_in(ASIDE))
    for uids in chunks(study_instance_uids):
        yield from connection.execute(shown.where(rows.c.study_instance_uid.in_(uids)))


def chunks(uids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts that fit into one statement."""
    for start in range(0, len(uids), _CHUNK):
        yield uids[start : start + _CHUNK]


def _add(total: _Sum, row: IndexRow) -> None:
    total.instances += row.held
    total.source_instances += 0 if row.kind == Kind.OWN else row.held
    total.series.add(row.series_instance_uid)
    total.sop_classes.add(row.sop_class_uid)
    if row.modality:
        total.modalities.add(row.modality)


def _record(row: IndexRow, total: _Sum) -> StudyRecord:
    return StudyRecord(
        study_instance_uid=row.study_instance_uid,
        state=StudyState(row.state),
        generation=row.generation,
        routed_generation=row.routed_generation,
        first_arrival=row.first_arrival,
        last_arrival=row.last_arrival,
        completed_at=row.completed_at,
        identity_conflict=row.identity_conflict,
        source_instances=total.source_instances,
        number_of_series=len(total.series),
        number_of_instances=total.instances,
        modalities=tuple(sorted(total.modalities)),
        sop_classes=tuple(sorted(total.sop_classes)),
        attributes=PatientStudy(**{item.name: getattr(row, item.name) for item in fields(PatientStudy)}),
        quarantined=row.quarantined,
    )
