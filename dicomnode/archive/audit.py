"""The audit trail: entries chained by their digests, and how far each of its readers has come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import AuditEntry
from dicomnode.dicom.audit import AuditEvent, AuditKind, AuditObject, AuditOutcome, kind_of, one_line, study_objects

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class SinkMark:
    """How far a reader of the trail has come, such as the file or the audit record repository.

    Attributes:
        audit_id: The last entry that it has, 0 for none.
        digest: A word of its own about that entry.
    """

    audit_id: int = 0
    digest: str = ""


class AuditStore:
    """What an administrator must be able to look up later; holds UIDs, no names nor patient IDs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        event: str,
        detail: str,
        now: datetime,
        *,
        kind: AuditKind | None = None,
        actor: str = "",
        outcome: AuditOutcome = AuditOutcome.SUCCESS,
        objects: Iterable[str | AuditObject] = (),
    ) -> None:
        """Add an entry; the arguments are `dicom.audit.AuditEvent`'s.

        Args:
            event: What happened.
            detail: More, in one line, no PHI.
            now: Present time.
            kind: None where the words of the event say it.
            actor: Who, as ``name@address``.
            outcome: How it ended.
            objects: Studies, by their UIDs or with what is known of them.
        """
        told = AuditEvent(event, detail, kind or kind_of(event), actor, outcome, study_objects(objects))
        with self._database.write() as connection:
            add_event(connection, told, now)

    def after(self, audit_id: int, limit: int = _PAGE) -> list[AuditEntry]:
        """Entries that follow one, oldest first."""
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(_following(audit_id, limit))]

    def all(self) -> Iterator[AuditEntry]:
        """Every entry, oldest first."""
        last = 0
        while page := self.after(last):
            yield from page
            last = page[-1].audit_id

    def mark(self, sink: str) -> SinkMark:
        """How far a reader has come."""
        query = select(tables.audit_sinks).filter_by(sink=sink)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return SinkMark(row.audit_id, row.digest) if row else SinkMark()

    def move_mark(self, sink: str, mark: SinkMark) -> None:
        """Note how far a reader has come."""
        rows, values = tables.audit_sinks, {"audit_id": mark.audit_id, "digest": mark.digest}
        with self._database.write() as connection:
            if connection.execute(update(rows).filter_by(sink=sink).values(**values)).rowcount == 0:
                connection.execute(insert(rows).values(sink=sink, **values))

    def waiting(self, sink: str) -> int:
        """How many entries a reader has not got yet."""
        query = select(func.count()).where(tables.audit.c.audit_id > self.mark(sink).audit_id)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def first_break(self) -> str | None:
        """Where the chain of digests breaks first: which entry, and how; None if it is whole."""
        before, chained = "", False
        for entry in self.all():
            if not entry.digest and not chained:
                continue  # older than the chain
            chained = True
            if entry.digest != chain_digest(before, entry, entry.at):
                return f"entry {entry.audit_id} of {entry.at.isoformat()} was altered, or one before it was removed"
            before = entry.digest
        return None

    def list(
        self, limit: int = _PAGE, *, before: int | None = None, kind: AuditKind | None = None, words: str = ""
    ) -> list[AuditEntry]:
        """The newest entries, newest first.

        Args:
            limit: At most so many.
            before: Only those with a lower number.
            kind: Only these.
            words: Only those whose event, detail or actor holds this, in any case.
        """
        rows = tables.audit.c
        query = select(tables.audit).order_by(rows.audit_id.desc()).limit(limit)
        if before is not None:
            query = query.where(rows.audit_id < before)
        if kind is not None:
            query = query.where(rows.kind == kind)
        if words:
            told = (column.icontains(words, autoescape=True) for column in (rows.event, rows.detail, rows.actor))
            query = query.where(or_(*told))
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(query)]


def add_audit(connection: Connection, event: str, detail: str, now: datetime, study_uid: str | None = None) -> None:
    """Add an entry of the node's own doing, about a study or none, in a transaction that does more."""
    objects = () if study_uid is None else study_objects([study_uid])
    add_event(connection, AuditEvent(event, detail, kind_of(event), objects=objects), now)


def add_event(connection: Connection, event: AuditEvent, now: datetime) -> None:
    """Add an entry in a transaction that does more; writers queue, so the entry before is the last one."""
    add_events(connection, [event], now)


def add_events(connection: Connection, events: Iterable[AuditEvent], now: datetime) -> None:
    """Add entries in their order, each chained to the one before."""
    query = select(tables.audit.c.digest).order_by(tables.audit.c.audit_id.desc()).limit(1)
    before = connection.execute(query).scalar_one_or_none() or ""
    rows = []
    for given in events:
        event = replace(given, event=one_line(given.event), detail=one_line(given.detail), actor=one_line(given.actor))
        before = chain_digest(before, event, now)
        rows.append(_row(event, now, before))
    if rows:
        connection.execute(insert(tables.audit), rows)


def _row(event: AuditEvent, now: datetime, digest: str) -> dict[str, object]:
    return {
        "event": event.event,
        "detail": event.detail,
        "at": now,
        "kind": event.kind,
        "actor": event.actor,
        "outcome": int(event.outcome),
        "objects": _objects_text(event.objects),
        "digest": digest,
    }


def chain_digest(before: str, event: AuditEvent, at: datetime) -> str:
    """Digest of an entry and the one before it, hexadecimal."""
    objects = _objects_text(event.objects)
    fields = [at.astimezone(UTC).isoformat(), event.kind, event.event, event.actor, int(event.outcome), objects]
    text = json.dumps([before, *fields, event.detail], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _following(audit_id: int, limit: int) -> Select[tuple[object, ...]]:
    rows = tables.audit
    return select(rows).where(rows.c.audit_id > audit_id).order_by(rows.c.audit_id).limit(limit)


def _objects_text(objects: Iterable[AuditObject]) -> str:
    plain = [
        {"study": item.study_instance_uid, "sop_classes": dict(item.sop_classes)}
        if item.sop_classes
        else item.study_instance_uid
        for item in objects
    ]
    return json.dumps(plain)


def _objects(text: str) -> tuple[AuditObject, ...]:
    return tuple(
        AuditObject(item) if isinstance(item, str) else AuditObject(item["study"], tuple(item["sop_classes"].items()))
        for item in json.loads(text)
    )


def _entry(row: Row[tuple[object, ...]]) -> AuditEntry:
    kind = AuditKind(row.kind) if row.kind in set(AuditKind) else AuditKind.OTHER
    outcome, objects = AuditOutcome(row.outcome), _objects(row.objects)
    return AuditEntry(row.event, row.detail, kind, row.actor, outcome, objects, row.at, row.audit_id, row.digest)
