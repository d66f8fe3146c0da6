"""Deliveries: evidence on its way to the targets, never deleted, sent by one process at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_event
from dicomnode.archive.database import Database
from dicomnode.archive.delivery_ends import NO_LEASE, Ended, holds, write_ends
from dicomnode.archive.delivery_rows import (
    IN_FLIGHT,
    delivery_from_row,
    delivery_rows,
    has_predecessor_in_flight,
    is_of_recalled,
    trace_delivery,
)
from dicomnode.archive.files import FileStore
from dicomnode.archive.records import Delivery, DeliveryState
from dicomnode.dicom.audit import AuditEvent, AuditKind
from dicomnode.errors import ArchiveError, NotFoundError

_ROWS, _EVIDENCE, _JOBS = tables.deliveries.c, tables.evidence.c, tables.jobs.c
_ENDED_BADLY = (DeliveryState.REFUSED, DeliveryState.WAITING, DeliveryState.HELD)


class DeliveryStore:
    """The outbox's rows; `JobStore.finish` adds them."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def claim_name(self) -> str:
        """A name for this process in leases: others on this machine know at once when it is dead."""
        return self._files.claim_name()

    def due(self, target: str, now: datetime, limit: int) -> list[Delivery]:
        """What may be sent to a target now: answers to live studies first, then in the order in which it was queued.

        An object waits while an older one of its series is on the way, so that a superseding object
        never arrives before its predecessor. What a process was sending is due again when that process is
        known to be dead, or, if nobody here can tell, when its lease ends.
        """
        in_flight = select(_ROWS.delivery_id).where(_ROWS.target == target, _ROWS.state.in_(IN_FLIGHT)).limit(1)
        with self._database.read() as connection:
            if connection.execute(in_flight).first() is None:
                return []  # an idle outbox asks often, and the whole question takes ten times as long to put
            query = delivery_rows().join(tables.jobs, _JOBS.job_id == _EVIDENCE.job_id)
            query = query.where(_ROWS.target == target, self._is_due(connection, now), ~has_predecessor_in_flight(now))
            rows = connection.execute(query.order_by(_JOBS.priority.desc(), _ROWS.delivery_id).limit(limit)).all()
        return [delivery_from_row(row, self._files.root) for row in rows]

    def lease(self, delivery_id: int, owner: str, until: datetime, now: datetime) -> Delivery | None:
        """As `lease_all`, of one; None if it is no longer due."""
        return next(iter(self.lease_all([delivery_id], owner, until, now)), None)

    def lease_all(
        self, delivery_ids: Sequence[int], owner: str, until: datetime, now: datetime
    ) -> tuple[Delivery, ...]:
        """Take deliveries for sending; those that are no longer due (another process has them) are left out.

        Args:
            delivery_ids: From `due`.
            owner: Name of the sender, from `claim_name`.
            until: They are due again after this, should the sender die.
            now: Present time.
        """
        values = {"state": DeliveryState.SENDING, "lease_owner": owner, "lease_until": until, "updated_at": now}
        with self._database.write() as connection:
            due = self._is_due(connection, now)
            take = update(tables.deliveries).where(_ROWS.delivery_id.in_(delivery_ids), due)
            take = take.values(attempts=_ROWS.attempts + 1, **values)
            taken = connection.execute(take.returning(_ROWS.delivery_id)).scalars().all()
            rows = connection.execute(delivery_rows().where(_ROWS.delivery_id.in_(taken))).all() if taken else ()
        leased = {row.delivery_id: delivery_from_row(row, self._files.root) for row in rows}
        return tuple(leased[one] for one in delivery_ids if one in leased)

    def renew(self, delivery_ids: Collection[int], owner: str, until: datetime) -> None:
        """Keep the leases of deliveries whose turn in a batch is yet to come."""
        held = and_(_ROWS.delivery_id.in_(delivery_ids), holds(owner))
        with self._database.write() as connection:
            connection.execute(update(tables.deliveries).where(held).values(lease_until=until))

    def mark(
        self,
        delivery_id: int,
        owner: str,
        state: DeliveryState,
        status: str,
        next_attempt_at: datetime,
        now: datetime,
        *,
        answer: str = "",
        prove: bool = False,
        sent_as: str | None = None,
    ) -> bool:
        """As `mark_all`, of one; true if it was written."""
        ended = Ended(delivery_id, state, status, next_attempt_at, answer, prove, sent_as)
        return self.mark_all(owner, [ended], now) == 1

    def mark_all(self, owner: str, ended: Sequence[Ended], now: datetime) -> int:
        """Write what became of leased deliveries; every end of one becomes a trace line.

        Args:
            owner: Who leased them.
            ended: How each ended.
            now: Present time.

        Returns:
            How many were written. Where a lease was lost nothing is; after a successful send this means that the
            object may have been sent twice, which its UID makes harmless.
        """
        with self._database.write() as connection:
            return write_ends(connection, ended, owner, now)

    def retry(
        self,
        now: datetime,
        delivery_id: int | None = None,
        study_instance_uid: str | None = None,
        target: str | None = None,
        actor: str = "",
    ) -> int:
        """Let refused, held or waiting deliveries start anew at once: one, all of a study, or all to a target.

        Args:
            now: Present time.
            delivery_id: Only this one.
            study_instance_uid: Only those of this study.
            target: Only those to this one.
            actor: Who asked by a page or a program, to be audited.

        Returns:
            How many will be tried.

        Raises:
            NotFoundError: No such delivery.
        """
        chosen: ColumnElement[bool] = _ROWS.state.in_(_ENDED_BADLY)
        if target is not None:
            chosen = and_(chosen, _ROWS.target == target)
        if study_instance_uid is not None:
            of_study = select(_EVIDENCE.sop_instance_uid).where(_EVIDENCE.study_instance_uid == study_instance_uid)
            chosen = and_(chosen, _ROWS.sop_instance_uid.in_(of_study))
        values = {"state": DeliveryState.WAITING, "next_attempt_at": now, "updated_at": now} | dict(NO_LEASE)
        with self._database.write() as connection:
            if delivery_id is not None:
                one = _ROWS.delivery_id == delivery_id
                if connection.execute(select(_ROWS.state).where(one)).first() is None:
                    raise NotFoundError(f"there is no delivery {delivery_id}")
                chosen = and_(chosen, one)
            # Who wants it tried again has perhaps changed what the target takes: it is asked anew.
            targets = connection.execute(select(_ROWS.target).where(chosen).distinct()).scalars().all()
            connection.execute(delete(tables.capabilities).where(tables.capabilities.c.target.in_(targets)))
            count = connection.execute(update(tables.deliveries).where(chosen).values(values)).rowcount
            if actor:
                which = f"delivery {delivery_id}" if delivery_id is not None else study_instance_uid or target
                detail = f"{which}: {count} tried again"
                add_event(connection, AuditEvent("delivery retried", detail, AuditKind.OTHER, actor), now)
            return count

    def get(self, delivery_id: int) -> Delivery:
        """One delivery.

        Raises:
            NotFoundError: No such delivery.
        """
        with self._database.read() as connection:
            row = connection.execute(delivery_rows().where(_ROWS.delivery_id == delivery_id)).first()
        if row is None:
            raise NotFoundError(f"there is no delivery {delivery_id}")
        return delivery_from_row(row, self._files.root)

    def release(self, delivery_id: int, now: datetime, actor: str = "") -> None:
        """Have a held delivery sent as it is, whatever identity the PACS tells; audited.

        Raises:
            NotFoundError: No such delivery.
            ArchiveError: It is not held.
        """
        one = _ROWS.delivery_id == delivery_id
        values = {"state": DeliveryState.WAITING, "released": True, "next_attempt_at": now, "updated_at": now}
        with self._database.write() as connection:
            state = connection.execute(select(_ROWS.state).where(one)).scalar_one_or_none()
            if state is None:
                raise NotFoundError(f"there is no delivery {delivery_id}")
            if state != DeliveryState.HELD:
                raise ArchiveError(f"delivery {delivery_id} is {state}: only held ones are released")
            connection.execute(update(tables.deliveries).where(one).values(values))
            said = "released by an administrator: it is sent as it is, whatever identity the PACS tells"
            trace_delivery(connection, delivery_id, "released", said, now)
            detail = f"delivery {delivery_id}: {said}"
            add_event(connection, AuditEvent("delivery released", detail, AuditKind.CONFIGURATION, actor), now)

    def newest(
        self, states: Iterable[DeliveryState], limit: int, *, before: int | None = None, target: str | None = None
    ) -> list[Delivery]:
        """Deliveries in some states, newest first.

        Args:
            states: Any of these.
            limit: At most so many.
            before: Only those with a lower number.
            target: Only those to this one.
        """
        query = delivery_rows().where(_ROWS.state.in_(tuple(states))).order_by(_ROWS.delivery_id.desc()).limit(limit)
        if before is not None:
            query = query.where(_ROWS.delivery_id < before)
        if target is not None:
            query = query.where(_ROWS.target == target)
        with self._database.read() as connection:
            return [delivery_from_row(row, self._files.root) for row in connection.execute(query)]

    def list(
        self,
        study_instance_uid: str | None = None,
        state: DeliveryState | None = None,
        limit: int | None = None,
        target: str | None = None,
    ) -> list[Delivery]:
        """Deliveries in the order in which they were queued, of one study or of all."""
        query = delivery_rows().order_by(_ROWS.delivery_id).limit(limit)
        if target is not None:
            query = query.where(_ROWS.target == target)
        if study_instance_uid is not None:
            query = query.where(_EVIDENCE.study_instance_uid == study_instance_uid)
        if state is not None:
            query = query.where(_ROWS.state == state)
        with self._database.read() as connection:
            return [delivery_from_row(row, self._files.root) for row in connection.execute(query)]

    def counts(self) -> dict[tuple[str, DeliveryState], int]:
        """How many deliveries each target has in each state."""
        query = select(_ROWS.target, _ROWS.state, func.count()).group_by(_ROWS.target, _ROWS.state)
        with self._database.read() as connection:
            return {(target, DeliveryState(state)): count for target, state, count in connection.execute(query)}

    def _is_due(self, connection: Connection, now: datetime) -> ColumnElement[bool]:
        leased = _ROWS.lease_owner.is_not(None)  # the condition of an index that holds no others
        owners = select(_ROWS.lease_owner).where(leased, _ROWS.state == DeliveryState.SENDING).distinct()
        lives = {owner: self._files.lives(owner) for owner in connection.execute(owners).scalars()}
        dead = [owner for owner, alive in lives.items() if alive is False]
        alive = [owner for owner, alive in lives.items() if alive]
        # Whoever is alive still sends, however slow its peer is: two must never do so at once.
        abandoned = or_(_ROWS.lease_owner.in_(dead), and_(_ROWS.lease_until < now, _ROWS.lease_owner.not_in(alive)))
        unsent = or_(
            and_(_ROWS.state == DeliveryState.WAITING, _ROWS.next_attempt_at <= now),
            and_(_ROWS.state == DeliveryState.SENDING, abandoned),
        )
        # The states once more, plainly: by them an index leaves out the many that arrived long ago.
        return and_(_ROWS.state.in_(IN_FLIGHT), unsent, ~is_of_recalled())
