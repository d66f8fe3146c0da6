"""QIDO-RS on the index (PS3.18 8.3.4, 10.6; matching as in PS3.4 C.2.2.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, select

from dicomnode.archive import tables
from dicomnode.archive.database import IndexRow
from dicomnode.archive.indexing import instance_from_row
from dicomnode.archive.matching import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS, conditions
from dicomnode.archive.records import ASIDE, InstanceRecord, Kind, QidoQuery, SeriesRecord, StudyRecord
from dicomnode.archive.study_records import study_records

_STUDIES, _SERIES, _INSTANCES = tables.studies.c, tables.series.c, tables.instances.c
_SERIES_OF_STUDIES = tables.series.join(tables.studies)
_OF_SERIES = and_(
    _INSTANCES.study_instance_uid == _SERIES.study_instance_uid,
    _INSTANCES.series_instance_uid == _SERIES.series_instance_uid,
)
_SHOWN = _INSTANCES.kind.not_in(ASIDE)


def find_studies(connection: Connection, query: QidoQuery) -> list[StudyRecord]:
    """Studies that match, the newest Study Date first."""
    statement = select(tables.studies).where(
        exists().where(_INSTANCES.study_instance_uid == _STUDIES.study_instance_uid, _SHOWN),
        conditions(query, STUDY_KEYS),
    )
    ordered = statement.order_by(_STUDIES.study_date.desc(), _STUDIES.study_time.desc(), _STUDIES.study_instance_uid)
    return study_records(connection, connection.execute(_paged(ordered, query)).all())


def find_series(connection: Connection, query: QidoQuery) -> list[SeriesRecord]:
    """Series that match, in order of study, Series Number and UID."""
    statement = (
        select(tables.series)
        .select_from(_SERIES_OF_STUDIES)
        .where(
            exists().where(_OF_SERIES, _SHOWN),
            conditions(query, STUDY_KEYS | SERIES_KEYS),
        )
        .order_by(_SERIES.study_instance_uid, _SERIES.series_number, _SERIES.series_instance_uid)
    )
    return _series_records(connection, list(connection.execute(_paged(statement, query)).all()))


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
    pairs = {(row.study_instance_uid, row.series_instance_uid) for row in rows}
    members = [connection.execute(select(tables.series).where(_in_series(pair))).one() for pair in sorted(pairs)]
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


def _in_series(pair: tuple[str, str]) -> ColumnElement[bool]:
    return and_(_SERIES.study_instance_uid == pair[0], _SERIES.series_instance_uid == pair[1])


def _series_records(connection: Connection, rows: list[IndexRow]) -> list[SeriesRecord]:
    uids = sorted({row.study_instance_uid for row in rows})
    studies = {
        record.study_instance_uid: record
        for uid in uids
        for record in study_records(
            connection, connection.execute(select(tables.studies).where(_STUDIES.study_instance_uid == uid)).all()
        )
    }
    return [
        SeriesRecord(
            row.series_instance_uid,
            studies[row.study_instance_uid],
            row.modality,
            row.series_number,
            row.series_description,
            row.body_part_examined,
            row.manufacturer_model_name,
            _held(connection, row),
        )
        for row in rows
    ]


def _held(connection: Connection, series: IndexRow) -> int:
    query = select(func.count()).where(
        _INSTANCES.study_instance_uid == series.study_instance_uid,
        _INSTANCES.series_instance_uid == series.series_instance_uid,
        _SHOWN,
    )
    return connection.execute(query).scalar_one()


def _paged(statement: Select[Any], query: QidoQuery) -> Select[Any]:
    paged = statement.offset(query.offset) if query.offset else statement
    return paged if query.limit is None else paged.limit(query.limit)
