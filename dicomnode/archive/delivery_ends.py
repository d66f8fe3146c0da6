"""What became of deliveries, written for many of them in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import ColumnElement, Connection, and_, select, update

from dicomnode.archive import tables
from dicomnode.archive.delivery_rows import IN_FLIGHT, Told, is_of_recalled, tell_of
from dicomnode.archive.records import DeliveryState, ProofState

NO_PROOF: Mapping[str, object] = MappingProxyType({"proof": ProofState.NONE, "next_proof_at": None})
NO_LEASE: Mapping[str, object] = MappingProxyType({"lease_owner": None, "lease_until": None})
_ROWS = tables.deliveries.c
_ARRIVED = (DeliveryState.DELIVERED, DeliveryState.WARNING)
_LONGEST_ANSWER = 2000


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt at a delivery ended.

    Attributes:
        delivery_id: A delivery in state `sending`.
        state: Waiting (try again), delivered, warning, refused or held.
        status: What the peer said, one line, no PHI.
        next_attempt_at: For state waiting.
        answer: What the peer said at length; cut where it is very long.
        prove: Whether to make sure that the target has it, if it arrived.
        sent_as: SOP Instance UID of what was sent in its place.
    """

    delivery_id: int
    state: DeliveryState
    status: str
    next_attempt_at: datetime
    answer: str = ""
    prove: bool = False
    sent_as: str | None = None


def holds(owner: str) -> ColumnElement[bool]:
    """Whether a delivery is being sent by someone."""
    return and_(_ROWS.state == DeliveryState.SENDING, _ROWS.lease_owner == owner)


def write_ends(connection: Connection, ended: Sequence[Ended], owner: str, now: datetime) -> int:
    """Write how attempts ended, in a transaction that may do more; how many, since others may have lost their lease."""
    told: list[Told] = []
    written = 0
    for (end, is_recalled), delivery_ids in _alike(connection, ended).items():
        held = and_(_ROWS.delivery_id.in_(delivery_ids), holds(owner))
        values = _values(end, now) | (dict(NO_PROOF) if is_recalled else {})
        query = update(tables.deliveries).where(held).values(values).returning(_ROWS.delivery_id)
        here = sorted(connection.execute(query).scalars())
        written += len(here)
        if end.state not in IN_FLIGHT:
            told += [Told(one, str(end.state), end.status, end.state in _ARRIVED) for one in here]
    if told:
        tell_of(connection, told, now)
    return written


def _alike(connection: Connection, ended: Sequence[Ended]) -> dict[tuple[Ended, bool], list[int]]:
    """Deliveries by how they end and whether they were recalled: most of a batch end alike, in one statement."""
    chosen = _ROWS.delivery_id.in_([one.delivery_id for one in ended])
    recalled = set(connection.execute(select(_ROWS.delivery_id).where(chosen, is_of_recalled())).scalars())
    groups: dict[tuple[Ended, bool], list[int]] = {}
    for one in ended:
        is_recalled = one.delivery_id in recalled
        # Withdrawn while it was under way: what did not arrive is not tried again, what did is not looked for
        state = DeliveryState.CANCELLED if is_recalled and one.state is DeliveryState.WAITING else one.state
        groups.setdefault((replace(one, delivery_id=0, state=state), is_recalled), []).append(one.delivery_id)
    return groups


def _values(end: Ended, now: datetime) -> dict[str, object]:
    values = {"state": end.state, "status": end.status, "next_attempt_at": end.next_attempt_at, "updated_at": now}
    values |= {"answer": end.answer[:_LONGEST_ANSWER], "sent_sop_instance_uid": end.sent_as, **NO_LEASE}
    return values | (_sent(now, end.prove) if end.state in _ARRIVED else {})


def _sent(now: datetime, prove: bool) -> dict[str, object]:
    """Proof of an earlier sending says nothing of this one."""
    return {
        "sent_at": now,
        "proof": ProofState.PENDING if prove else ProofState.NONE,
        "proof_status": "",
        "proof_attempts": 0,
        "proven_at": None,
        "next_proof_at": now if prove else None,
        "transaction_uid": None,
    }
