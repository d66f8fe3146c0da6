"""The instances that a study, series or instance consists of, for those who want their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, select

from dicomnode.archive import tables
from dicomnode.archive.indexing import instance_from_row
from dicomnode.archive.records import ASIDE, Kind
from dicomnode.study import Instance

_INSTANCES = tables.instances.c


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """A stored instance.

    Attributes:
        instance: Its file.
        has_pixels: Whether it says how many rows it has: objects without pixels cannot be compressed or shown.
        is_source: Whether it came from a modality, not from an analysis.
    """

    instance: Instance
    has_pixels: bool
    is_source: bool


def any_instance(
    connection: Connection, root: Path, study_instance_uid: str, series_instance_uid: str
) -> Instance | None:
    """One that stands for a study or series, one from a modality if there is any; None if there is none."""
    statement = (
        select(tables.instances)
        .where(_INSTANCES.kind.not_in(ASIDE), *_asked(study_instance_uid, series_instance_uid))
        .order_by((_INSTANCES.kind == Kind.SOURCE).desc())
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else instance_from_row(row, root)


def held_instances(
    connection: Connection, root: Path, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str
) -> list[HeldInstance]:
    """In order of series, Instance Number and UID; empty UIDs ask for nothing."""
    statement = (
        select(tables.instances)
        .where(_INSTANCES.kind.not_in(ASIDE), *_asked(study_instance_uid, series_instance_uid, sop_instance_uid))
        .order_by(_INSTANCES.series_instance_uid, _INSTANCES.instance_number, _INSTANCES.sop_instance_uid)
    )
    return [
        HeldInstance(instance_from_row(row, root), row.rows is not None, row.kind == Kind.SOURCE)
        for row in connection.execute(statement)
    ]


def _asked(study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str = "") -> list[ColumnElement[bool]]:
    asked = (
        (_INSTANCES.study_instance_uid, study_instance_uid),
        (_INSTANCES.series_instance_uid, series_instance_uid),
        (_INSTANCES.sop_instance_uid, sop_instance_uid),
    )
    return [column == uid for column, uid in asked if uid]
