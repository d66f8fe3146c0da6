"""Which process looks at a study before it is complete: one of them, and none once it died of that."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.files import FileStore

_ROWS = tables.early_claims.c
_HEAD_START = timedelta(seconds=0.5)
_FORGOTTEN_AFTER = timedelta(days=1)


class EarlyClaimStore:
    """One row per study that a process looks at, or died of."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def claim(self, study_instance_uid: str, owner: str, now: datetime) -> bool:
        """Take a study; false if another process has it, or ended without giving it back.

        Args:
            study_instance_uid: An open study.
            owner: Names the process, from `JobStore.claim_name`.
            now: Present time.
        """
        one = _ROWS.study_instance_uid == study_instance_uid
        with self._database.read() as connection:
            holder = connection.execute(select(_ROWS.owner).where(one)).scalar_one_or_none()
        if holder is not None:
            return bool(holder == owner)
        with self._database.write() as connection:
            if connection.execute(select(_ROWS.owner).where(one)).first() is not None:
                return False
            connection.execute(delete(tables.early_claims).where(_ROWS.claimed_at < now - _FORGOTTEN_AFTER))
            values = {"study_instance_uid": study_instance_uid, "owner": owner, "claimed_at": now}
            connection.execute(insert(tables.early_claims).values(values))
        return True

    def give_back(self, owner: str) -> None:
        """The process ends as it should: what it held may be taken by others."""
        with self._database.write() as connection:
            connection.execute(delete(tables.early_claims).where(_ROWS.owner == owner))


def elsewhere(owner: str, now: datetime) -> ColumnElement[bool]:
    """Jobs that were made a moment ago, of studies that another process has looked at: it gets a head start."""
    jobs = tables.jobs.c
    held = and_(_ROWS.study_instance_uid == jobs.study_instance_uid, _ROWS.owner != owner)
    return and_(jobs.created_at > now - _HEAD_START, exists().where(held))
