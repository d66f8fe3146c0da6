"""What each series holds, counted in the transaction that changes it: searches never count instances."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Select, delete, func, insert, select, union, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import Kind
from dicomnode.dicom.header import InstanceHeader

_ROWS, _INSTANCES = tables.contents.c, tables.instances.c
_KEY = ("study_instance_uid", "series_instance_uid", "sop_class_uid", "modality", "kind")
_COUNTED = (*_KEY, "held")


def content_key(header: InstanceHeader, kind: Kind) -> tuple[str, ...]:
    """What an instance is counted under."""
    return (header.study_instance_uid, header.series_instance_uid, header.sop_class_uid, header.modality, kind)


def count_new(connection: Connection, counted: Mapping[tuple[str, ...], int]) -> None:
    """Count instances that are new in their series, by `content_key`; the series' rows are there already."""
    for values, count in counted.items():
        key = dict(zip(_KEY, values, strict=True))
        more = update(tables.contents).filter_by(**key).values(held=_ROWS.held + count)
        if connection.execute(more).rowcount == 0:
            connection.execute(insert(tables.contents).values(held=count, **key))


def recount(connection: Connection, study_instance_uid: str | None = None) -> None:
    """Count anew what a study holds, or what all do."""
    old, counted = delete(tables.contents), _counted()
    if study_instance_uid is not None:
        old = old.where(_ROWS.study_instance_uid == study_instance_uid)
        counted = counted.where(_INSTANCES.study_instance_uid == study_instance_uid)
    connection.execute(old)
    connection.execute(insert(tables.contents).from_select(_COUNTED, counted))


def miscounted(database: Database) -> list[str]:
    """Study Instance UIDs of studies whose counts differ from their rows."""
    counted, noted = _counted(), select(*(_ROWS[name] for name in _COUNTED))
    beyond = counted.except_(noted).subquery().c
    missing = noted.except_(counted).subquery().c
    with database.read() as connection:
        found = union(select(beyond.study_instance_uid), select(missing.study_instance_uid))
        return sorted(connection.execute(found).scalars())


def _counted() -> Select[tuple[object, ...]]:
    key = [_INSTANCES[name] for name in _KEY]
    return select(*key, func.count().label("held")).group_by(*key)
