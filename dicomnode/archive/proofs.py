"""Proof of deliveries: what was sent is followed until its target commits to it or shows it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.delivery_rows import trace_delivery
from dicomnode.archive.figures import observe_proof
from dicomnode.archive.files import FileStore
from dicomnode.archive.records import DeliveryState, Proof, ProofState

_ROWS, _EVIDENCE, _SUBSTITUTES = tables.deliveries.c, tables.evidence.c, tables.substitutes.c
_COMMITMENTS = tables.commitments.c
_ARRIVED = (DeliveryState.DELIVERED, DeliveryState.WARNING)
_OPEN = (ProofState.PENDING, ProofState.REQUESTED, ProofState.FAILED)
_ENDED = (ProofState.COMMITTED, ProofState.VISIBLE, ProofState.UNPROVEN)
_PROVEN = (ProofState.COMMITTED, ProofState.VISIBLE)
_KEPT = timedelta(days=30)  # a report that comes later than this is of an unknown transaction
_SENT_UID = func.coalesce(_ROWS.sent_sop_instance_uid, _ROWS.sop_instance_uid)


@dataclass(frozen=True, slots=True)
class Reported:
    """What a storage commitment report says of one object.

    Attributes:
        sop_instance_uid: Of what was sent.
        state: Committed, failed (send it again), or pending (ask again).
        status: In words, one line.
    """

    sop_instance_uid: str
    state: ProofState
    status: str


class ProofStore:
    """The proof columns of deliveries, and the storage commitment transactions."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def due(self, target: str, now: datetime, limit: int) -> list[Proof]:
        """What a target is to be asked about now; a request that no report came for is among it."""
        query = _joined().where(_ROWS.target == target, _is_open(), _ROWS.next_proof_at <= now)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_ROWS.next_proof_at, _ROWS.delivery_id).limit(limit)).all()
        return [self._proof(row) for row in rows]

    def request(
        self, target: str, delivery_ids: Collection[int], transaction_uid: str, until: datetime, now: datetime
    ) -> list[int]:
        """Note that commitment is about to be asked for, before it is: the report may come at once.

        Args:
            target: Who is asked.
            delivery_ids: From `due`.
            transaction_uid: New for each request (PS3.4 J.3.2.1.2).
            until: Asked again then, if no report came.
            now: Present time.

        Returns:
            Those that another process did not take in between.
        """
        chosen = and_(_ROWS.delivery_id.in_(delivery_ids), _is_open(), _ROWS.next_proof_at <= now)
        values = {
            "proof": ProofState.REQUESTED,
            "proof_attempts": _ROWS.proof_attempts + 1,
            "next_proof_at": until,
            "transaction_uid": transaction_uid,
        }
        with self._database.write() as connection:
            connection.execute(delete(tables.commitments).where(_COMMITMENTS.requested_at < now - _KEPT))
            taken = list(connection.execute(select(_ROWS.delivery_id).where(chosen)).scalars())
            if taken:
                new = {"transaction_uid": transaction_uid, "target": target, "requested_at": now}
                connection.execute(insert(tables.commitments).values(new))
                connection.execute(update(tables.deliveries).where(_ROWS.delivery_id.in_(taken)).values(values))
        return taken

    def report(self, transaction_uid: str, reported: Sequence[Reported], now: datetime) -> bool:
        """Write what a storage commitment report says; False if nobody asked in that transaction.

        A report on an earlier request counts where it says that the object is safe. Where it says that it
        is not, only that on the present request does: the object may have been sent again since.
        """
        with self._database.write() as connection:
            query = select(tables.commitments).where(_COMMITMENTS.transaction_uid == transaction_uid)
            request = connection.execute(query).one_or_none()
            if request is None:
                return False
            for item in reported:
                chosen = _reported_on(request, item)
                _write(connection, chosen, item.state, item.status, now, now)
        return True

    def settle(self, delivery_id: int, state: ProofState, status: str, now: datetime) -> None:
        """Write an answer that ends the asking, or state failed."""
        with self._database.write() as connection:
            _write(connection, and_(_ROWS.delivery_id == delivery_id, _is_open()), state, status, now, now)

    def later(self, delivery_ids: Collection[int], status: str, at: datetime, *, answered: bool) -> None:
        """Ask again at a later time.

        Args:
            delivery_ids: Those without an answer so far; one that a report was written for meanwhile keeps it.
            status: Why, one line.
            at: When.
            answered: Whether the target answered at all: only answers count as attempts.
        """
        values: dict[str, object] = {"proof": ProofState.PENDING, "proof_status": status, "next_proof_at": at}
        if answered:
            values["proof_attempts"] = _ROWS.proof_attempts + 1
        unanswered = _ROWS.proof.in_((ProofState.PENDING, ProofState.REQUESTED))
        chosen = and_(_ROWS.delivery_id.in_(delivery_ids), _ROWS.state.in_(_ARRIVED), unanswered)
        with self._database.write() as connection:
            connection.execute(update(tables.deliveries).where(chosen).values(values))

    def send_again(self, delivery_id: int, at: datetime, now: datetime) -> bool:
        """Give an object whose proof failed back to the outbox; False if it is no longer so."""
        chosen = and_(_ROWS.delivery_id == delivery_id, _ROWS.state.in_(_ARRIVED), _ROWS.proof == ProofState.FAILED)
        with self._database.write() as connection:
            said = connection.execute(select(_ROWS.proof_status).where(chosen)).scalar_one_or_none()
            if said is None:
                return False
            values = {
                "state": DeliveryState.WAITING,
                "status": f"sent, but not there: {said}",
                "next_attempt_at": at,
                "sent_at": None,
                "next_proof_at": None,
                "transaction_uid": None,
                "updated_at": now,
            }
            connection.execute(update(tables.deliveries).where(_ROWS.delivery_id == delivery_id).values(values))
            trace_delivery(connection, delivery_id, "not proven", f"{said}; it is sent again", now)
        return True

    def counts(self) -> dict[tuple[str, ProofState], int]:
        """How many of the objects that each target took are in each state of proof."""
        query = select(_ROWS.target, _ROWS.proof, func.count()).where(_ROWS.state.in_(_ARRIVED))
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(_ROWS.target, _ROWS.proof))
            return {(target, ProofState(state)): count for target, state, count in rows}

    def _proof(self, row: IndexRow) -> Proof:
        return Proof(
            row.delivery_id,
            ProofState(row.proof),
            row.substitute_class or row.sop_class_uid,
            row.sent_uid,
            row.sop_instance_uid,
            row.substitute_series or row.series_instance_uid,
            row.study_instance_uid,
            self._files.root / (row.substitute_path or row.path),
            row.attempts,
            row.proof_attempts,
            row.proof_status,
        )


def _joined() -> Select[Any]:
    return (
        select(
            tables.deliveries,
            _SENT_UID.label("sent_uid"),
            _EVIDENCE.sop_class_uid,
            _EVIDENCE.series_instance_uid,
            _EVIDENCE.study_instance_uid,
            _EVIDENCE.path,
            _SUBSTITUTES.sop_class_uid.label("substitute_class"),
            _SUBSTITUTES.series_instance_uid.label("substitute_series"),
            _SUBSTITUTES.path.label("substitute_path"),
        )
        .join(tables.evidence, _ROWS.sop_instance_uid == _EVIDENCE.sop_instance_uid)
        .outerjoin(tables.substitutes, _ROWS.sent_sop_instance_uid == _SUBSTITUTES.sop_instance_uid)
    )


def _is_open() -> ColumnElement[bool]:
    return and_(_ROWS.state.in_(_ARRIVED), _ROWS.proof.in_(_OPEN))


def _reported_on(request: IndexRow, item: Reported) -> ColumnElement[bool]:
    chosen = and_(_ROWS.target == request.target, _SENT_UID.in_((item.sop_instance_uid,)), _is_open())
    present = _ROWS.transaction_uid == request.transaction_uid
    if item.state is ProofState.COMMITTED:
        return and_(chosen, or_(present, _ROWS.sent_at <= request.requested_at))
    return and_(chosen, present)


def _write(
    connection: Connection, chosen: ColumnElement[bool], state: ProofState, status: str, at: datetime, now: datetime
) -> None:
    values = {"proof": state, "proof_status": status, "next_proof_at": None if state in _ENDED else at}
    values["proven_at"] = now if state in _PROVEN else None
    delivery_ids = list(connection.execute(select(_ROWS.delivery_id).where(chosen)).scalars())
    connection.execute(update(tables.deliveries).where(_ROWS.delivery_id.in_(delivery_ids)).values(values))
    for delivery_id in delivery_ids if state in _ENDED else ():
        trace_delivery(connection, delivery_id, str(state), status, now)
        if state in _PROVEN:
            observe_proof(connection, delivery_id, now)
