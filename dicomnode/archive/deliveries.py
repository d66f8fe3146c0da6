"""Deliveries: evidence on its way to the targets, never deleted, sent by one process at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import FileStore
from dicomnode.archive.records import Delivery, DeliveryState, TraceEntry
from dicomnode.archive.traces import add_trace
from dicomnode.errors import NotFoundError

_ROWS, _EVIDENCE, _JOBS = tables.deliveries.c, tables.evidence.c, tables.jobs.c
_IN_FLIGHT = (DeliveryState.WAITING, DeliveryState.SENDING)
_NO_LEASE: dict[str, object] = {"lease_owner": None, "lease_until": None}


class DeliveryStore:
    """The outbox's rows; `JobStore.finish` adds them."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def due(self, target: str, now: datetime, limit: int) -> list[Delivery]:
        """What may be sent to a target now: answers to live studies first, then in the order in which it was queued.

        An object waits while an older one of its series is on the way, so that a superseding object
        never arrives before its predecessor. What a dead process was sending is due again when its
        lease ends.
        """
        query = _joined().join(tables.jobs, _JOBS.job_id == _EVIDENCE.job_id)
        query = query.where(_ROWS.target == target, _is_due(now), ~_has_predecessor_in_flight())
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_JOBS.priority.desc(), _ROWS.delivery_id).limit(limit)).all()
        return [self._delivery(row) for row in rows]

    def lease(self, delivery_id: int, owner: str, until: datetime, now: datetime) -> Delivery | None:
        """Take a delivery for sending; None if it is no longer due (another process has it).

        Args:
            delivery_id: From `due`.
            owner: Name of the sender, unique among processes and restarts.
            until: The delivery is due again after this, should the sender die.
            now: Present time.
        """
        values = {"state": DeliveryState.SENDING, "lease_owner": owner, "lease_until": until, "updated_at": now}
        with self._database.write() as connection:
            taken = update(tables.deliveries).where(_ROWS.delivery_id == delivery_id, _is_due(now))
            if connection.execute(taken.values(attempts=_ROWS.attempts + 1, **values)).rowcount == 0:
                return None
            return self._delivery(connection.execute(_joined().where(_ROWS.delivery_id == delivery_id)).one())

    def mark(
        self,
        delivery_id: int,
        owner: str,
        state: DeliveryState,
        status: str,
        next_attempt_at: datetime,
        now: datetime,
    ) -> bool:
        """Write what became of a leased delivery; every end of it becomes a trace line.

        Args:
            delivery_id: A delivery in state `sending`.
            owner: Who leased it.
            state: Waiting (try again), delivered, warning or refused.
            status: What the peer said, one line, no PHI.
            next_attempt_at: For state waiting.
            now: Present time.

        Returns:
            False if the lease was lost; nothing was written then. After a successful send this means that
            the object may have been sent twice, which its UID makes harmless.
        """
        values = {"state": state, "status": status, "next_attempt_at": next_attempt_at, "updated_at": now} | _NO_LEASE
        held = and_(_ROWS.delivery_id == delivery_id, _ROWS.state == DeliveryState.SENDING, _ROWS.lease_owner == owner)
        with self._database.write() as connection:
            if connection.execute(update(tables.deliveries).where(held).values(values)).rowcount == 0:
                return False
            if state not in _IN_FLIGHT:
                _trace(connection, delivery_id, str(state), status, now)
        return True

    def retry(self, now: datetime, delivery_id: int | None = None, study_instance_uid: str | None = None) -> int:
        """Let refused or waiting deliveries start anew at once: one of them, or all of a study.

        Returns:
            How many will be tried.

        Raises:
            NotFoundError: No such delivery.
        """
        chosen: ColumnElement[bool] = _ROWS.state.in_((DeliveryState.REFUSED, DeliveryState.WAITING))
        if study_instance_uid is not None:
            of_study = select(_EVIDENCE.sop_instance_uid).where(_EVIDENCE.study_instance_uid == study_instance_uid)
            chosen = and_(chosen, _ROWS.sop_instance_uid.in_(of_study))
        values = {"state": DeliveryState.WAITING, "next_attempt_at": now, "updated_at": now} | _NO_LEASE
        with self._database.write() as connection:
            if delivery_id is not None:
                one = _ROWS.delivery_id == delivery_id
                if connection.execute(select(_ROWS.state).where(one)).first() is None:
                    raise NotFoundError(f"there is no delivery {delivery_id}")
                chosen = and_(chosen, one)
            return connection.execute(update(tables.deliveries).where(chosen).values(values)).rowcount

    def list(
        self, study_instance_uid: str | None = None, state: DeliveryState | None = None, limit: int | None = None
    ) -> list[Delivery]:
        """Deliveries in the order in which they were queued, of one study or of all."""
        query = _joined().order_by(_ROWS.delivery_id).limit(limit)
        if study_instance_uid is not None:
            query = query.where(_EVIDENCE.study_instance_uid == study_instance_uid)
        if state is not None:
            query = query.where(_ROWS.state == state)
        with self._database.read() as connection:
            return [self._delivery(row) for row in connection.execute(query)]

    def counts(self) -> dict[tuple[str, DeliveryState], int]:
        """How many deliveries each target has in each state."""
        query = select(_ROWS.target, _ROWS.state, func.count()).group_by(_ROWS.target, _ROWS.state)
        with self._database.read() as connection:
            return {(target, DeliveryState(state)): count for target, state, count in connection.execute(query)}

    def _delivery(self, row: IndexRow) -> Delivery:
        return Delivery(
            row.delivery_id,
            row.sop_instance_uid,
            row.target,
            DeliveryState(row.state),
            row.attempts,
            row.next_attempt_at,
            row.status,
            self._files.root / row.path,
            row.sop_class_uid,
            row.transfer_syntax_uid,
            row.study_instance_uid,
            row.model_name,
            row.updated_at,
        )


def _joined() -> Select[Any]:
    return select(
        tables.deliveries,
        _EVIDENCE.path,
        _EVIDENCE.sop_class_uid,
        _EVIDENCE.transfer_syntax_uid,
        _EVIDENCE.study_instance_uid,
        _EVIDENCE.model_name,
    ).join(tables.evidence, _ROWS.sop_instance_uid == _EVIDENCE.sop_instance_uid)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(_ROWS.state == DeliveryState.WAITING, _ROWS.next_attempt_at <= now),
        and_(_ROWS.state == DeliveryState.SENDING, _ROWS.lease_until < now),
    )


def _has_predecessor_in_flight() -> ColumnElement[bool]:
    older, object_of_it = tables.deliveries.alias(), tables.evidence.alias()
    return exists().where(
        older.c.sop_instance_uid == object_of_it.c.sop_instance_uid,
        object_of_it.c.series_instance_uid == _EVIDENCE.series_instance_uid,
        older.c.target == _ROWS.target,
        older.c.delivery_id < _ROWS.delivery_id,
        older.c.state.in_(_IN_FLIGHT),
    )


def _trace(connection: Connection, delivery_id: int, event: str, status: str, now: datetime) -> None:
    query = (
        select(_EVIDENCE.study_instance_uid, _EVIDENCE.model_name, _EVIDENCE.role, _ROWS.target, _JOBS.generation)
        .join_from(tables.deliveries, tables.evidence, _ROWS.sop_instance_uid == _EVIDENCE.sop_instance_uid)
        .join(tables.jobs, _JOBS.job_id == _EVIDENCE.job_id)
        .where(_ROWS.delivery_id == delivery_id)
    )
    row = connection.execute(query).one()
    text = f"{row.role} to {row.target}: {status}"
    add_trace(connection, TraceEntry(row.study_instance_uid, row.generation, event, row.model_name, text, now))
