"""What may be forgotten: studies that are old, finished, and whose every result has arrived.

Files go to a trash folder while the rows go in the same transaction, and from there for good once that is durable.
A kill or a power cut leaves either the rows, and `settle` puts the files back, or no rows, and `settle` empties the
trash; what is gone from the index is never found again among the files.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, or_, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import FileStore
from dicomnode.archive.records import DeliveryState, EvidenceState, JobState, Kind, ProofState, StudyState
from dicomnode.archive.space import SpaceGuard

_STUDIES, _EVIDENCE, _JOBS = tables.studies.c, tables.evidence.c, tables.jobs.c
_UNFINISHED = (JobState.WAITING, JobState.LEASED)
_ARRIVED = (DeliveryState.DELIVERED, DeliveryState.WARNING)
_NEVER_SENT = (DeliveryState.REPLACED, DeliveryState.COVERED, DeliveryState.CANCELLED)
_PROVEN = (ProofState.COMMITTED, ProofState.VISIBLE)
_ENOUGH = (*_PROVEN, ProofState.NONE, ProofState.UNPROVEN)
# Kept for the day the study comes again: when each result was first made, and how far its series were numbered.
_KEPT = frozenset({"results", "evidence_numbers"})
_OF_STUDY = tuple(
    table
    for table in reversed(tables.metadata.sorted_tables)
    if "study_instance_uid" in table.c and table.name not in _KEPT
)
_OF_EVIDENCE = tuple(
    (table, key.parent)
    for table in reversed(tables.metadata.sorted_tables)
    for key in table.foreign_keys
    if key.column is tables.evidence.c.sop_instance_uid
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A study that was deleted.

    Attributes:
        study_instance_uid: (0020,000D).
        instances: Instances that went, the node's own among them.
        size: Bytes of them.
    """

    study_instance_uid: str
    instances: int
    size: int


class RetentionStore:
    """Deletes studies, one transaction each."""

    def __init__(self, database: Database, files: FileStore, space: SpaceGuard) -> None:
        self._database = database
        self._files = files
        self._space = space

    def candidates(self, before: datetime, proving: Collection[str], limit: int) -> list[str]:
        """Studies that may go, the oldest first.

        Args:
            before: Their last instance came before this.
            proving: Targets whose deliveries must be proven, not only answered.
            limit: At most so many.
        """
        query = select(_STUDIES.study_instance_uid).where(_may_go(before, proving)).order_by(_STUDIES.last_arrival)
        with self._database.read() as connection:
            return list(connection.execute(query.limit(limit)).scalars())

    def forget(
        self, study_instance_uid: str, before: datetime, proving: Collection[str], now: datetime
    ) -> Forgotten | None:
        """Delete a study with its files, and say so in the audit; None if it may not go any more."""
        chosen = and_(_STUDIES.study_instance_uid == study_instance_uid, _may_go(before, proving))
        moved: list[Path] = []
        try:
            with self._database.write() as connection:
                study = connection.execute(select(tables.studies).where(chosen)).one_or_none()
                if study is None:
                    return None
                paths = _paths(connection, study_instance_uid)
                forgotten = _tell(connection, study, now)
                _remember_numbers(connection, study_instance_uid)
                _delete_rows(connection, study_instance_uid)
                moved = paths
                self._files.to_trash(paths)
        except BaseException:
            self._files.from_trash(moved)
            raise
        self._files.empty_trash(moved)
        self._space.added(-forgotten.size)
        return forgotten

    def settle(self) -> int:
        """Finish what a killed process began: back to where a row says it is, else away; tells how many went back."""
        with self._database.write() as connection:
            thrown = self._files.in_trash()
            wanted = {path for path in thrown if _has_row(connection, path)}
            self._files.from_trash(sorted(wanted))
        self._files.empty_trash([path for path in thrown if path not in wanted])
        return len(wanted)


def _may_go(before: datetime, proving: Collection[str]) -> ColumnElement[bool]:
    uid = _STUDIES.study_instance_uid
    own_jobs = tables.jobs.alias("own_jobs").c
    return and_(
        _STUDIES.state == StudyState.COMPLETE,
        _STUDIES.generation == _STUDIES.routed_generation,
        _STUDIES.last_arrival < before,
        # What waits for a person stays until that person has decided.
        _STUDIES.identity_conflict.is_(None),
        _STUDIES.quarantined.is_(None),
        ~exists().where(tables.contents.c.study_instance_uid == uid, tables.contents.c.kind == Kind.IDENTITY_CONFLICT),
        ~exists().where(own_jobs.study_instance_uid == uid, own_jobs.state.in_(_UNFINISHED)),
        ~_evidence_that_must_stay(uid),
        ~_undelivered(uid, proving),
        ~_still_sent(uid),
        ~_needed_as_prior(uid),
    )


def _evidence_that_must_stay(uid: ColumnElement[str]) -> ColumnElement[bool]:
    """The gate kept it back, no target was there to take it, or it was recalled and must never be sent again.

    Silent models' answers were never meant to leave.
    """
    nowhere = and_(_JOBS.silent.is_(False), _JOBS.targets == "[]")
    return exists().where(
        _EVIDENCE.study_instance_uid == uid,
        _EVIDENCE.job_id == _JOBS.job_id,
        or_(_EVIDENCE.state != EvidenceState.READY, _EVIDENCE.recall_id.is_not(None), nowhere),
    )


def _undelivered(uid: ColumnElement[str], proving: Collection[str]) -> ColumnElement[bool]:
    rows, made = tables.deliveries.c, tables.evidence.alias("made").c
    proven = or_(rows.proof.in_(_PROVEN), and_(rows.target.not_in(proving), rows.proof.in_(_ENOUGH)))
    settled = or_(rows.state.in_(_NEVER_SENT), and_(rows.state.in_(_ARRIVED), proven))
    stands = made.recall_id.is_(None)  # of what was withdrawn nothing is sent or proven any more
    return exists().where(
        made.study_instance_uid == uid, made.sop_instance_uid == rows.sop_instance_uid, stands, ~settled
    )


def _still_sent(uid: ColumnElement[str]) -> ColumnElement[bool]:
    studies, rows = tables.association_studies.c, tables.associations.c
    return exists().where(
        studies.study_instance_uid == uid, studies.association_id == rows.association_id, rows.closed_at.is_(None)
    )


def _needed_as_prior(uid: ColumnElement[str]) -> ColumnElement[bool]:
    rows, newer, work = tables.priors.c, tables.studies.alias("newer").c, tables.jobs.alias("work").c
    unfinished = exists().where(work.study_instance_uid == newer.study_instance_uid, work.state.in_(_UNFINISHED))
    open_still = or_(newer.state != StudyState.COMPLETE, newer.generation != newer.routed_generation)
    return exists().where(
        rows.prior_study_instance_uid == uid,
        rows.study_instance_uid == newer.study_instance_uid,
        or_(open_still, unfinished),
    )


def _paths(connection: Connection, study_instance_uid: str) -> list[Path]:
    """Every file of a study; the node's own objects stand in two tables, with one file."""
    found: set[str] = set()
    for rows in (tables.instances.c, tables.evidence.c):
        found.update(
            connection.execute(select(rows.path).where(rows.study_instance_uid == study_instance_uid)).scalars()
        )
    sent = tables.substitutes.c
    made = select(_EVIDENCE.sop_instance_uid).where(_EVIDENCE.study_instance_uid == study_instance_uid)
    found.update(connection.execute(select(sent.path).where(sent.original_sop_instance_uid.in_(made))).scalars())
    return sorted(map(Path, found))


def _tell(connection: Connection, study: IndexRow, now: datetime) -> Forgotten:
    uid, rows = study.study_instance_uid, tables.instances.c
    query = select(func.count(), func.coalesce(func.sum(rows.size), 0)).where(rows.study_instance_uid == uid)
    count, size = connection.execute(query).one()
    sent = tables.deliveries.c
    made = select(_EVIDENCE.sop_instance_uid).where(_EVIDENCE.study_instance_uid == uid)
    to = connection.execute(select(sent.target).distinct().where(sent.sop_instance_uid.in_(made))).scalars().all()
    objects = connection.execute(select(func.count()).where(_EVIDENCE.study_instance_uid == uid)).scalar_one()
    where = f"delivered to {', '.join(sorted(to))}" if to else "none of them to be delivered"
    text = (
        f"study {uid}: {count} instance(s) of {size} bytes deleted, last arrival {study.last_arrival:%Y-%m-%d};"
        f" {objects} evidence object(s), {where}"
    )
    add_audit(connection, "study deleted", text, now, uid)
    return Forgotten(uid, count, int(size))


def _remember_numbers(connection: Connection, study_instance_uid: str) -> None:
    """Keep the newest object of each evidence series: a later one in its place must not have a lower number."""
    rows = tables.evidence_numbers
    query = select(tables.evidence).where(_EVIDENCE.study_instance_uid == study_instance_uid)
    newest = {row.series_instance_uid: row for row in connection.execute(query.order_by(_EVIDENCE.instance_number))}
    for uid, row in newest.items():
        values = {
            "study_instance_uid": study_instance_uid,
            "sop_instance_uid": row.sop_instance_uid,
            "sop_class_uid": row.sop_class_uid,
            "instance_number": row.instance_number,
        }
        chosen = rows.c.series_instance_uid == uid
        known = connection.execute(select(rows.c.instance_number).where(chosen)).scalar_one_or_none()
        if known is None:
            connection.execute(insert(rows).values(series_instance_uid=uid, **values))
        elif known <= row.instance_number:
            connection.execute(update(rows).where(chosen).values(values))


def _delete_rows(connection: Connection, study_instance_uid: str) -> None:
    made = select(_EVIDENCE.sop_instance_uid).where(_EVIDENCE.study_instance_uid == study_instance_uid)
    for table, column in _OF_EVIDENCE:
        connection.execute(delete(table).where(column.in_(made)))
    for table in _OF_STUDY:
        connection.execute(delete(table).where(table.c.study_instance_uid == study_instance_uid))


def _has_row(connection: Connection, path: Path) -> bool:
    name = path.as_posix()
    columns = (tables.instances.c.path, _EVIDENCE.path, tables.substitutes.c.path)
    return any(connection.execute(select(column).where(column == name)).first() is not None for column in columns)
