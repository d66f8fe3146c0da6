"""QIDO-RS on the index (PS3.18 8.3.4, 10.6; matching as in PS3.4 C.2.2.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, select

from dicomnode.archive import tables
from dicomnode.archive.database import IndexRow
from dicomnode.archive.indexing import instance_from_row
from dicomnode.archive.matching import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS, conditions
from dicomnode.archive.records import ASIDE, InstanceRecord, Kind, QidoQuery, SeriesRecord, StudyRecord
from dicomnode.archive.study_records import chunks, shown_contents, study_records

_STUDIES, _SERIES, _INSTANCES = tables.studies.c, tables.series.c, tables.instances.c
_SERIES_OF_STUDIES = tables.series.join(tables.studies)
_OF_SERIES = and_(
    _INSTANCES.study_instance_uid == _SERIES.study_instance_uid,
    _INSTANCES.series_instance_uid == _SERIES.series_instance_uid,
)
_SHOWN = _INSTANCES.kind.not_in(ASIDE)
_HELD = tables.contents.c


def find_studies(connection: Connection, query: QidoQuery) -> list[StudyRecord]:
    """Studies that match, the newest Study Date first."""
    statement = select(tables.studies).where(
        exists().where(_HELD.study_instance_uid == _STUDIES.study_instance_uid, _HELD.kind.not_in(ASIDE)),
        conditions(query, STUDY_KEYS),
    )
    newest = (_STUDIES.study_date, _STUDIES.study_time, _STUDIES.study_instance_uid)
    # One direction for all of them: the index is read backwards until the page is full
    ordered = statement.order_by(*(column.desc() for column in newest))
    return study_records(connection, connection.execute(_paged(ordered, query)).all())


def find_series(connection: Connection, query: QidoQuery) -> list[SeriesRecord]:
    """Series that match, in order of study, Series Number and UID."""
    shown = exists().where(
        _HELD.study_instance_uid == _SERIES.study_instance_uid,
        _HELD.series_instance_uid == _SERIES.series_instance_uid,
        _HELD.kind.not_in(ASIDE),
    )
    statement = (
        select(tables.series)
        .select_from(_SERIES_OF_STUDIES)
        .where(shown, conditions(query, STUDY_KEYS | SERIES_KEYS))
        .order_by(_SERIES.study_instance_uid, _SERIES.series_number, _SERIES.series_instance_uid)
    )
    return _series_records(connection, connection.execute(_paged(statement, query)).all())


def find_instances(connection: Connection, query: QidoQuery, root: Path) -> list[InstanceRecord]:
    """Instances that match, in order of series, Instance Number and UID."""
    statement = (
        select(tables.instances)
        .select_from(tables.instances.join(_SERIES_OF_STUDIES, _OF_SERIES))
        .where(_SHOWN, conditions(query, STUDY_KEYS | SERIES_KEYS | INSTANCE_KEYS))
        .order_by(
            _INSTANCES.study_instance_uid,
            _INSTANCES.series_instance_uid,
            _INSTANCES.instance_number,
            _INSTANCES.sop_instance_uid,
        )
    )
    rows = connection.execute(_paged(statement, query)).all()
    members = _series_rows(connection, {(row.study_instance_uid, row.series_instance_uid) for row in rows})
    series = {(r.study.study_instance_uid, r.series_instance_uid): r for r in _series_records(connection, members)}
    return [
        InstanceRecord(
            instance_from_row(row, root),
            series[row.study_instance_uid, row.series_instance_uid],
            row.rows,
            row.columns,
            Kind(row.kind),
        )
        for row in rows
    ]


def _series_rows(connection: Connection, wanted: set[tuple[str, str]]) -> list[IndexRow]:
    """The given series, by the UIDs of study and series."""
    found: list[IndexRow] = []
    for uids in chunks(sorted({study for study, _ in wanted})):
        rows = connection.execute(select(tables.series).where(_SERIES.study_instance_uid.in_(uids)))
        found += [row for row in rows if (row.study_instance_uid, row.series_instance_uid) in wanted]
    return found


def _series_records(connection: Connection, rows: Sequence[IndexRow]) -> list[SeriesRecord]:
    uids = sorted({row.study_instance_uid for row in rows})
    query = select(tables.studies)
    found = [
        row for part in chunks(uids) for row in connection.execute(query.where(_STUDIES.study_instance_uid.in_(part)))
    ]
    studies = {record.study_instance_uid: record for record in study_records(connection, found)}
    held: Counter[tuple[str, str]] = Counter()
    for content in shown_contents(connection, uids):
        held[content.study_instance_uid, content.series_instance_uid] += content.held
    return [
        SeriesRecord(
            row.series_instance_uid,
            studies[row.study_instance_uid],
            row.modality,
            row.series_number,
            row.series_description,
            row.body_part_examined,
            row.manufacturer_model_name,
            held[row.study_instance_uid, row.series_instance_uid],
            row.performed_procedure_step_start_date,
            row.performed_procedure_step_start_time,
            row.scheduled_procedure_step_id,
            row.requested_procedure_id,
        )
        for row in rows
    ]


def _paged(statement: Select[Any], query: QidoQuery) -> Select[Any]:
    paged = statement.offset(query.offset) if query.offset else statement
    return paged if query.limit is None else paged.limit(query.limit)
