"""Studies: what they hold, when they are complete, and how QIDO-RS finds them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select, update

from dicomnode.archive import tables
from dicomnode.archive.associations import forget_closed
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import FileStore
from dicomnode.archive.habits import brought_of, ended_once, learn
from dicomnode.archive.held import HeldInstance, any_instance, held_instances
from dicomnode.archive.indexing import instance_from_row
from dicomnode.archive.records import (
    InstanceRecord,
    Kind,
    OpenStudy,
    QidoQuery,
    SeriesRecord,
    StudyRecord,
    StudyState,
    TraceEntry,
)
from dicomnode.archive.search import find_instances, find_series, find_studies
from dicomnode.archive.study_records import study_records
from dicomnode.archive.traces import add_trace
from dicomnode.errors import NotFoundError
from dicomnode.study import Instance, Series, Study


class StudyStore:
    """Rows of studies and series."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._root = files.root

    def get(self, study_instance_uid: str) -> Study:
        """A study with its source instances and other people's objects, without the node's own evidence.

        Raises:
            NotFoundError: No such study.
        """
        with self._database.read() as connection:
            row = _study_row(connection, study_instance_uid)
            called, calling = _ae_titles(connection, study_instance_uid)
            series = _series_of(connection, study_instance_uid, self._root)
        return Study(study_instance_uid, row.study_description, row.generation, called, calling, series)

    def record(self, study_instance_uid: str) -> StudyRecord:
        """A study's state, counts and attributes.

        Raises:
            NotFoundError: No such study.
        """
        with self._database.read() as connection:
            return study_records(connection, [_study_row(connection, study_instance_uid)])[0]

    def ae_titles(self, study_instance_uid: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Under which AE titles a study was sent here, and by which."""
        with self._database.read() as connection:
            return _ae_titles(connection, study_instance_uid)

    def counts(self) -> dict[StudyState, int]:
        """How many studies are in each state."""
        rows = tables.studies
        query = select(rows.c.state, func.count()).group_by(rows.c.state)
        with self._database.read() as connection:
            return {StudyState(state): count for state, count in connection.execute(query)}

    def open_studies(self) -> list[OpenStudy]:
        """Every study that awaits instances."""
        rows = tables.studies
        with self._database.read() as connection:
            found = connection.execute(select(rows).where(rows.c.state == StudyState.OPEN)).all()
            return [_open_study(connection, row) for row in found]

    def complete(
        self, study_instance_uid: str, reason: str, arrivals: int, now: datetime, *, waited: bool = True
    ) -> int | None:
        """Close a study, unless something came in between.

        Args:
            study_instance_uid: An open study.
            reason: Why it counts as complete, one line for its trace.
            arrivals: As `OpenStudy` said when this was decided.
            now: Time of completion.
            waited: Whether nothing came for the quiet period.

        Returns:
            The new generation, or None if somebody was first or another instance came since.
        """
        rows = tables.studies
        with self._database.write() as connection:
            row = _study_row(connection, study_instance_uid)
            if row.state != StudyState.OPEN or row.arrivals != arrivals:
                return None
            generation: int = row.generation + 1
            learn(connection, row, now, waited=waited)
            connection.execute(
                update(rows)
                .where(rows.c.study_instance_uid == study_instance_uid)
                .values(state=StudyState.COMPLETE, generation=generation, completed_at=now)
            )
            forget_closed(connection, study_instance_uid)
            add_trace(connection, TraceEntry(study_instance_uid, generation, "complete", None, reason, now))
            return generation

    def held(
        self, study_instance_uid: str, series_instance_uid: str = "", sop_instance_uid: str = ""
    ) -> list[HeldInstance]:
        """What a study, series or instance consists of, with the node's own evidence."""
        with self._database.read() as connection:
            return held_instances(connection, self._root, study_instance_uid, series_instance_uid, sop_instance_uid)

    def any_of(self, study_instance_uid: str, series_instance_uid: str = "") -> Instance | None:
        """An instance that stands for a study or series; None if there is none."""
        with self._database.read() as connection:
            return any_instance(connection, self._root, study_instance_uid, series_instance_uid)

    def search_studies(self, query: QidoQuery) -> list[StudyRecord]:
        """Studies that match; the node's own evidence counts as part of them."""
        with self._database.read() as connection:
            return find_studies(connection, query)

    def search_series(self, query: QidoQuery) -> list[SeriesRecord]:
        """Series that match; keys of the study level may be used too."""
        with self._database.read() as connection:
            return find_series(connection, query)

    def search_instances(self, query: QidoQuery) -> list[InstanceRecord]:
        """Instances that match; keys of the study and series level may be used too."""
        with self._database.read() as connection:
            return find_instances(connection, query, self._root)

    def list(self, state: StudyState | None = None, limit: int | None = 100, offset: int = 0) -> list[StudyRecord]:
        """Studies, the latest arrival first."""
        rows = tables.studies
        query = select(rows).order_by(rows.c.last_arrival.desc(), rows.c.study_instance_uid.desc())
        if state is not None:
            query = query.where(rows.c.state == state)
        with self._database.read() as connection:
            found = connection.execute(query.limit(limit).offset(offset)).all()
            return study_records(connection, found)


def _study_row(connection: Connection, study_instance_uid: str) -> IndexRow:
    rows = tables.studies
    row = connection.execute(select(rows).where(rows.c.study_instance_uid == study_instance_uid)).one_or_none()
    if row is None:
        raise NotFoundError(f"study {study_instance_uid} is not in the archive")
    return row


def _ae_titles(connection: Connection, study_instance_uid: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rows = tables.study_origins
    origins = connection.execute(
        select(rows).where(rows.c.study_instance_uid == study_instance_uid).order_by(rows.c.first_seen)
    ).all()
    called = dict.fromkeys(row.called_ae_title for row in origins if row.called_ae_title)
    calling = dict.fromkeys(row.calling_ae_title for row in origins if row.calling_ae_title)
    return tuple(called), tuple(calling)


def _series_of(connection: Connection, study_instance_uid: str, root: Path) -> tuple[Series, ...]:
    rows, instances = tables.series, tables.instances
    members: dict[str, list[IndexRow]] = {}
    for instance in connection.execute(
        select(instances).where(
            instances.c.study_instance_uid == study_instance_uid,
            instances.c.kind.in_((Kind.SOURCE, Kind.DOCUMENT)),
        )
    ):
        members.setdefault(instance.series_instance_uid, []).append(instance)
    found = connection.execute(select(rows).where(rows.c.study_instance_uid == study_instance_uid)).all()
    held = [row for row in found if row.series_instance_uid in members]
    held.sort(key=lambda row: (*_numbered(row.series_number), row.series_instance_uid))
    for listed in members.values():
        listed.sort(key=lambda row: (*_numbered(row.instance_number), row.sop_instance_uid))
    return tuple(_series(row, members[row.series_instance_uid], root) for row in held)


def _series(row: IndexRow, instances: list[IndexRow], root: Path) -> Series:
    return Series(
        row.series_instance_uid,
        row.study_instance_uid,
        row.modality,
        row.series_description,
        row.body_part_examined.upper(),
        row.series_number,
        tuple(instance_from_row(instance, root) for instance in instances),
    )


def _numbered(number: int | None) -> tuple[bool, int]:
    return number is None, number or 0


def _open_study(connection: Connection, row: IndexRow) -> OpenStudy:
    brought = brought_of(connection, row.study_instance_uid)
    released = [item.closed_at for item in brought if item.closed_at is not None]
    return OpenStudy(
        row.study_instance_uid,
        row.first_arrival,
        row.last_arrival,
        row.arrivals,
        open_associations=len(brought) - len(released),
        last_released=max(released, default=None),
        generation=row.generation,
        ended_once=ended_once(brought),
    )
