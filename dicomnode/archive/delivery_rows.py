"""Rows of deliveries with their objects, what may hold them back, and what their studies are told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select

from dicomnode.archive import tables
from dicomnode.archive.audit import add_events
from dicomnode.archive.database import IndexRow
from dicomnode.archive.records import Delivery, DeliveryState, ProofState, TraceEntry
from dicomnode.archive.traces import add_traces
from dicomnode.dicom.audit import AuditEvent, AuditKind, AuditObject

IN_FLIGHT = (DeliveryState.WAITING, DeliveryState.SENDING)
_ROWS, _EVIDENCE, _JOBS = tables.deliveries.c, tables.evidence.c, tables.jobs.c


def delivery_rows() -> Select[Any]:
    """Deliveries with what is known of their objects."""
    return select(
        tables.deliveries,
        _EVIDENCE.path,
        _EVIDENCE.sop_class_uid,
        _EVIDENCE.transfer_syntax_uid,
        _EVIDENCE.study_instance_uid,
        _EVIDENCE.model_name,
        _EVIDENCE.role,
    ).join(tables.evidence, _ROWS.sop_instance_uid == _EVIDENCE.sop_instance_uid)


def delivery_from_row(row: IndexRow, root: Path) -> Delivery:
    """A delivery; ``root`` is the folder that files are kept in."""
    return Delivery(
        row.delivery_id,
        row.sop_instance_uid,
        row.target,
        DeliveryState(row.state),
        row.attempts,
        row.next_attempt_at,
        row.status,
        root / row.path,
        row.sop_class_uid,
        row.transfer_syntax_uid,
        row.study_instance_uid,
        row.model_name,
        row.updated_at,
        row.role,
        row.answer,
        row.sent_at,
        row.sent_sop_instance_uid,
        row.released,
        ProofState(row.proof),
        row.proof_status,
        row.next_proof_at,
    )


def trace_delivery(connection: Connection, delivery_id: int, event: str, status: str, now: datetime) -> None:
    """Add a line about a delivery to its study's trace, in a transaction that does more."""
    tell_of(connection, [Told(delivery_id, event, status)], now)


@dataclass(frozen=True, slots=True)
class Told:
    """What a study is told of a delivery.

    Attributes:
        delivery_id: Which one.
        event: Of the trace.
        status: What the target said.
        left: Whether the object left, which is audited.
    """

    delivery_id: int
    event: str
    status: str
    left: bool = False


def tell_of(connection: Connection, told: Sequence[Told], now: datetime) -> None:
    """Add lines about deliveries to their studies' traces, and audit what left, in a transaction that does more."""
    query = (
        select(
            _ROWS.delivery_id,
            _ROWS.target,
            _EVIDENCE.study_instance_uid,
            _EVIDENCE.sop_class_uid,
            _EVIDENCE.model_name,
            _EVIDENCE.role,
            _JOBS.generation,
        )
        .join_from(tables.deliveries, tables.evidence, _ROWS.sop_instance_uid == _EVIDENCE.sop_instance_uid)
        .join(tables.jobs, _JOBS.job_id == _EVIDENCE.job_id)
        .where(_ROWS.delivery_id.in_([one.delivery_id for one in told]))
    )
    rows: dict[int, Any] = {row.delivery_id: row for row in connection.execute(query)}
    add_traces(connection, [_line(rows[one.delivery_id], one, now) for one in told])
    add_events(connection, [_export(rows[one.delivery_id], one) for one in told if one.left], now)


def _line(row: IndexRow, told: Told, now: datetime) -> TraceEntry:
    text = f"{row.role} to {row.target}: {told.status}"
    return TraceEntry(row.study_instance_uid, row.generation, told.event, row.model_name, text, now)


def _export(row: IndexRow, told: Told) -> AuditEvent:
    study = AuditObject(row.study_instance_uid, ((row.sop_class_uid, 1),))
    detail = f"{row.role} to {row.target}: {told.status}"
    return AuditEvent("result sent", detail, AuditKind.EXPORT, row.target, objects=(study,))


def has_predecessor_in_flight(now: datetime) -> ColumnElement[bool]:
    """Whether an older object of the same series is still on its way to the same target."""
    older, object_of_it = tables.deliveries.alias(), tables.evidence.alias()
    return exists().where(
        older.c.sop_instance_uid == object_of_it.c.sop_instance_uid,
        or_(
            object_of_it.c.series_instance_uid == _EVIDENCE.series_instance_uid,
            # A rejection note comes after everything that it may name
            and_(
                _EVIDENCE.role == "rejection",
                object_of_it.c.study_instance_uid == _EVIDENCE.study_instance_uid,
                object_of_it.c.model_name == _EVIDENCE.model_name,
            ),
        ),
        older.c.target == _ROWS.target,
        older.c.delivery_id < _ROWS.delivery_id,
        older.c.state.in_(IN_FLIGHT),
        # Of a recalled one only the attempt counts that is under way: there will be no other
        or_(object_of_it.c.recall_id.is_(None), older.c.lease_until >= now),
    )


def is_of_recalled() -> ColumnElement[bool]:
    """Whether the object was taken back."""
    object_of_it = tables.evidence.alias()
    return exists().where(
        object_of_it.c.sop_instance_uid == _ROWS.sop_instance_uid, object_of_it.c.recall_id.is_not(None)
    )
