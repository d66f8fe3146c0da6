"""Evidence that somebody asks to have sent, again or to another target, beside what routing decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.delivery_ends import NO_PROOF
from dicomnode.archive.delivery_rows import trace_delivery
from dicomnode.archive.finishing import is_silenced, queue
from dicomnode.archive.records import DeliveryState, EvidenceState

_EVIDENCE, _ROWS, _JOBS = tables.evidence.c, tables.deliveries.c, tables.jobs.c
_UNDER_WAY = (DeliveryState.WAITING, DeliveryState.SENDING)
_DECIDED = {
    DeliveryState.REPLACED: "an object with the corrected identity went in its place",
    DeliveryState.COVERED: "the target takes no such object, and another that it has says the same",
    DeliveryState.CANCELLED: "a recall took it back",
}


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of a wish to have an object sent.

    Attributes:
        sop_instance_uid: The evidence object.
        target: Where to.
        is_queued: Whether it will be sent; identity is asked before it leaves, as always.
        reason: Why not, one sentence; empty if it is.
    """

    sop_instance_uid: str
    target: str
    is_queued: bool
    reason: str


class SendingStore:
    """Deliveries by wish: the outbox sends them like any other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(
        self, study_instance_uid: str, sop_instance_uids: Sequence[str], target: str, now: datetime
    ) -> tuple[Sending, ...]:
        """Queue evidence objects of a study for a target, also one that has them; all or none in one transaction.

        What the gate quarantined, what was recalled or superseded, and what a silent model said is never sent.

        Args:
            study_instance_uid: The study.
            sop_instance_uids: Which objects; in this order they are sent.
            target: Name of a target.
            now: Present time.
        """
        with self._database.write() as connection:
            asked = tuple(_ask(connection, study_instance_uid, uid, target, now) for uid in sop_instance_uids)
            # Whoever sends by hand has perhaps changed what the target takes: it is asked anew.
            connection.execute(delete(tables.capabilities).where(tables.capabilities.c.target == target))
        return asked


def _ask(connection: Connection, study: str, uid: str, target: str, now: datetime) -> Sending:
    query = (
        select(tables.evidence, _JOBS.silent)
        .join(tables.jobs, _JOBS.job_id == _EVIDENCE.job_id)
        .where(_EVIDENCE.sop_instance_uid == uid, _EVIDENCE.study_instance_uid == study)
    )
    row = connection.execute(query).one_or_none()
    reason = "the study has no such object" if row is None else _objection(connection, row)
    if not reason:
        reason = _queue(connection, uid, target, now)
    return Sending(uid, target, not reason, reason)


def _objection(connection: Connection, row: IndexRow) -> str:
    """Why an object must not be sent at all; empty if it may."""
    if row.state != EvidenceState.READY:
        return f"the gate holds it back: {row.reason}"
    if row.recall_id is not None:
        return f"recall {row.recall_id} withdrew it"
    if row.silent or is_silenced(connection, row.model_name):
        return f"model {row.model_name} is silent: what it says is never sent"
    newest = select(func.max(_EVIDENCE.instance_number)).where(
        _EVIDENCE.series_instance_uid == row.series_instance_uid, _EVIDENCE.state == EvidenceState.READY
    )
    if connection.execute(newest).scalar_one() != row.instance_number:
        return "a newer object of its series superseded it"
    return ""


def _queue(connection: Connection, uid: str, target: str, now: datetime) -> str:
    known = connection.execute(select(tables.deliveries).where(_ROWS.sop_instance_uid == uid, _ROWS.target == target))
    row = known.one_or_none()
    if row is None:
        queue(connection, uid, [target], now)
        row = connection.execute(
            select(tables.deliveries).where(_ROWS.sop_instance_uid == uid, _ROWS.target == target)
        ).one()
    elif row.state in _UNDER_WAY:
        return "it is on its way there already"
    elif row.state in _DECIDED:
        return f"it is not sent there: {_DECIDED[DeliveryState(row.state)]}"
    else:
        values = {
            "state": DeliveryState.WAITING,
            "next_attempt_at": now,
            "updated_at": now,
            "proof_status": "",
            **NO_PROOF,
        }
        connection.execute(update(tables.deliveries).where(_ROWS.delivery_id == row.delivery_id).values(values))
    trace_delivery(connection, row.delivery_id, "queued", "asked for by hand", now)
    return ""
