"""Objects under a corrected identity, which take the turn of those that were written before the correction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database
from dicomnode.archive.delivery_rows import trace_delivery
from dicomnode.archive.files import FileStore
from dicomnode.archive.finishing import Answer, add_evidence, queue
from dicomnode.archive.records import DeliveryState, NewEvidence

_ROWS, _EVIDENCE = tables.deliveries.c, tables.evidence.c


class CorrectionStore:
    """Replaces deliveries."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def replace(self, delivery_id: int, owner: str, new: NewEvidence | None, status: str, now: datetime) -> bool:
        """End a leased delivery unsent; what takes its place is queued for the same target, in one transaction.

        Args:
            delivery_id: A delivery in state `sending`.
            owner: Who leased it.
            new: The corrected object, its file durable; None if one is queued already.
            status: Why, one line, no PHI.
            now: Present time.

        Returns:
            False if the lease was lost; nothing was written then.
        """
        answer = Answer.read([new] if new is not None else [], self._files.root)
        held = and_(_ROWS.delivery_id == delivery_id, _ROWS.lease_owner == owner, _ROWS.state == DeliveryState.SENDING)
        ended = {"state": DeliveryState.REPLACED, "status": status, "updated_at": now}
        with self._database.write() as connection:
            query = select(_ROWS.target, _EVIDENCE.job_id).join_from(tables.deliveries, tables.evidence).where(held)
            row = connection.execute(query).one_or_none()
            if row is None:
                return False
            for document, kept in answer.objects:
                here = select(_EVIDENCE.job_id).where(_EVIDENCE.sop_instance_uid == document.sop_instance_uid)
                if connection.execute(here).first() is None:
                    add_evidence(connection, row.job_id, document, kept, now)
                queue(connection, document.sop_instance_uid, [row.target], now)
            one = _ROWS.delivery_id == delivery_id
            connection.execute(update(tables.deliveries).where(one).values(lease_owner=None, lease_until=None, **ended))
            trace_delivery(connection, delivery_id, "replaced", status, now)
            add_audit(connection, "identity followed", f"delivery {delivery_id} to {row.target}: {status}", now)
        return True
