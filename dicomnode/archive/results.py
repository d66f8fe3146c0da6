"""When each result was first made: another attempt, or another process, gives its documents the same time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database


class ResultStore:
    """Creation times of results."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, study_instance_uid: str, model_name: str, input_digest: str, now: datetime, bundle_digest: str = ""
    ) -> datetime:
        """The time at which this result was first made: `now` the first time, the stored one ever after."""
        rows = tables.results
        key = {
            "study_instance_uid": study_instance_uid,
            "model_name": model_name,
            "bundle_digest": bundle_digest,
            "input_digest": input_digest,
        }
        with self._database.write() as connection:
            created: datetime | None = connection.execute(select(rows.c.created).filter_by(**key)).scalar_one_or_none()
            if created is None:
                connection.execute(insert(rows).values(created=now, **key))
                created = now
        return created
