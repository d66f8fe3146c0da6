"""Results that are taken back: which they are, who has them, and what the index says of them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.delivery_ends import NO_PROOF
from dicomnode.archive.files import FileStore
from dicomnode.archive.finishing import Answer, add_evidence, queue
from dicomnode.archive.records import DeliveryState, EvidenceState, NewEvidence, TraceEntry
from dicomnode.archive.traces import add_trace

REJECTION = "rejection"
WITHDRAWN = "withdrawn-"  # and the kind of document that was superseded
SENT = (DeliveryState.DELIVERED, DeliveryState.WARNING, DeliveryState.SENDING)
_EVIDENCE, _DELIVERIES, _SUBSTITUTES = tables.evidence.c, tables.deliveries.c, tables.substitutes.c


@dataclass(frozen=True, slots=True)
class Recallable:
    """An evidence object that may be recalled.

    Attributes:
        path: Its file.
        is_current: Whether nothing newer is in its series.
        job_id: The job that made it.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    kind: str
    path: Path
    is_current: bool
    job_id: int


@dataclass(frozen=True, slots=True)
class SentTo:
    """An object that a target has, or is being sent just now.

    Attributes:
        original: SOP Instance UID of the evidence object.
        sop_instance_uid: What the target has: the object, or what was sent in its place.
        path: File of what it has.
    """

    target: str
    original: str
    sop_instance_uid: str
    sop_class_uid: str
    path: Path


@dataclass(frozen=True, slots=True)
class Note:
    """A document that withdraws, with who gets it."""

    evidence: NewEvidence
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recalled:
    """What one study's part of a recall wrote.

    Attributes:
        objects: Evidence objects marked.
        cancelled: Deliveries that will not happen any more.
        queued: Deliveries of notes.
    """

    objects: int
    cancelled: int
    queued: int


class RecallStore:
    """Rows of recalls, and the marks that they leave on evidence and deliveries."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def candidates(self, model_name: str, first: datetime, last: datetime) -> dict[str, tuple[Recallable, ...]]:
        """A model's results that were made in a period and are not recalled, by study; notes are no results."""
        query = (
            select(tables.evidence)
            .where(
                _EVIDENCE.model_name == model_name,
                _EVIDENCE.created >= first,
                _EVIDENCE.created < last,
                _EVIDENCE.state == EvidenceState.READY,
                _EVIDENCE.recall_id.is_(None),
                _EVIDENCE.role != REJECTION,
                ~_EVIDENCE.role.startswith(WITHDRAWN),
            )
            .order_by(_EVIDENCE.study_instance_uid, _EVIDENCE.role, _EVIDENCE.instance_number)
        )
        found: dict[str, list[Recallable]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query).all():
                found.setdefault(row.study_instance_uid, []).append(self._recallable(connection, row))
        return {study: tuple(items) for study, items in found.items()}

    def sent(self, sop_instance_uids: Sequence[str]) -> tuple[SentTo, ...]:
        """Who has these objects, or what was sent in their place."""
        found: list[SentTo] = []
        with self._database.read() as connection:
            for uid in sop_instance_uids:
                query = (
                    select(tables.deliveries, _EVIDENCE.sop_class_uid, _EVIDENCE.path)
                    .join(tables.evidence, _EVIDENCE.sop_instance_uid == _DELIVERIES.sop_instance_uid)
                    .where(_DELIVERIES.sop_instance_uid == uid, _DELIVERIES.state.in_(SENT))
                    .order_by(_DELIVERIES.delivery_id)
                )
                found += [self._sent(connection, row) for row in connection.execute(query)]
        return tuple(found)

    def unsent(self, sop_instance_uids: Sequence[str]) -> int:
        """How many deliveries of these objects did not happen yet."""
        with self._database.read() as connection:
            return sum(len(_open_deliveries(connection, uid)) for uid in sop_instance_uids)

    def next_number(self, series_instance_uid: str) -> int:
        """The next Instance Number of a series of the node's own."""
        query = select(_EVIDENCE.instance_number).where(_EVIDENCE.series_instance_uid == series_instance_uid)
        with self._database.read() as connection:
            return max(connection.execute(query).scalars(), default=0) + 1

    def begin(self, model_name: str, first: datetime, last: datetime, reason: str, now: datetime) -> int:
        """Write down that an administrator recalls; returns the recall's number."""
        values = {"model_name": model_name, "first": first, "last": last, "reason": reason, "created": now}
        with self._database.write() as connection:
            key = connection.execute(insert(tables.recalls).values(values)).inserted_primary_key
            number = int(key[0]) if key is not None else 0
            period = f"{first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ}"
            add_audit(connection, "recall", f"recall {number}: {model_name}, results of {period}: {reason}", now)
        return number

    def withdraw(
        self, recall_id: int, study_instance_uid: str, items: Sequence[Recallable], notes: Sequence[Note], now: datetime
    ) -> Recalled | None:
        """Mark a study's results as withdrawn, cancel what is not sent yet, queue the notes: one transaction.

        Returns:
            None if somebody else recalled one of them in between; nothing was written then.
        """
        answer = Answer.read([note.evidence for note in notes], self._files.root)
        uids = [item.sop_instance_uid for item in items]
        with self._database.write() as connection:
            rows = tables.evidence
            for uid in uids:
                free = (rows.c.sop_instance_uid == uid) & rows.c.recall_id.is_(None)
                if connection.execute(update(rows).where(free).values(recall_id=recall_id)).rowcount == 0:
                    connection.rollback()
                    return None
            cancelled = sum(_cancel(connection, uid, now) for uid in uids)
            queued = 0
            for (new, kept), note in zip(answer.objects, notes, strict=True):
                add_evidence(connection, items[0].job_id, new, kept, now)
                queued += queue(connection, new.sop_instance_uid, note.targets, now)
            recalled = Recalled(len(uids), cancelled, queued)
            _trace(connection, recall_id, study_instance_uid, items[0].job_id, recalled, now)
        return recalled

    def _recallable(self, connection: Connection, row: IndexRow) -> Recallable:
        newer = select(_EVIDENCE.sop_instance_uid).where(
            _EVIDENCE.series_instance_uid == row.series_instance_uid,
            _EVIDENCE.state == EvidenceState.READY,
            _EVIDENCE.instance_number > row.instance_number,
        )
        return Recallable(
            row.sop_instance_uid,
            row.sop_class_uid,
            row.series_instance_uid,
            row.role,
            self._files.root / row.path,
            connection.execute(newer).first() is None,
            row.job_id,
        )

    def _sent(self, connection: Connection, row: IndexRow) -> SentTo:
        original = row.sop_instance_uid
        query = select(tables.substitutes).where(_SUBSTITUTES.sop_instance_uid == row.sent_sop_instance_uid)
        stand_in = connection.execute(query).one_or_none() if row.sent_sop_instance_uid else None
        if stand_in is None:
            return SentTo(row.target, original, original, row.sop_class_uid, self._files.root / row.path)
        path = self._files.root / stand_in.path
        return SentTo(row.target, original, stand_in.sop_instance_uid, stand_in.sop_class_uid, path)


def _open_deliveries(connection: Connection, sop_instance_uid: str) -> list[int]:
    query = select(_DELIVERIES.delivery_id).where(
        _DELIVERIES.sop_instance_uid == sop_instance_uid,
        _DELIVERIES.state.in_((DeliveryState.WAITING, DeliveryState.REFUSED, DeliveryState.HELD)),
    )
    return list(connection.execute(query).scalars())


def _cancel(connection: Connection, sop_instance_uid: str, now: datetime) -> int:
    found = _open_deliveries(connection, sop_instance_uid)
    values = {"state": DeliveryState.CANCELLED, "status": "the result was recalled", "updated_at": now}
    connection.execute(update(tables.deliveries).where(_DELIVERIES.delivery_id.in_(found)).values(values))
    # A PACS that hides what was rejected would seem to have lost it
    of_object = _DELIVERIES.sop_instance_uid == sop_instance_uid
    connection.execute(update(tables.deliveries).where(of_object).values(NO_PROOF))
    return len(found)


def _trace(
    connection: Connection, recall_id: int, study_instance_uid: str, job_id: int, recalled: Recalled, now: datetime
) -> None:
    jobs, recalls = tables.jobs.c, tables.recalls.c
    job = connection.execute(select(tables.jobs).where(jobs.job_id == job_id)).one()
    reason = connection.execute(select(recalls.reason).where(recalls.recall_id == recall_id)).scalar_one()
    text = (
        f"recall {recall_id}: {recalled.objects} object(s) withdrawn, {recalled.cancelled} delivery(ies) cancelled,"
        f" {recalled.queued} delivery(ies) of notes queued; {reason or 'no reason given'}"
    )
    add_trace(connection, TraceEntry(study_instance_uid, job.generation, "recalled", job.model_name, text, now))
