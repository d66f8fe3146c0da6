"""Times of the index that lie ahead of the clock, because the clock was put back."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Table, and_, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database
from dicomnode.archive.records import DeliveryState, JobState, StudyState

_Time = tuple[Table, Column[datetime], ColumnElement[bool]]


class ClockStore:
    """Keeps a clock that was put back from holding work up for as long as it jumped."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def settle(self, now: datetime, longest_pause: timedelta) -> int:
        """Make due what waits for a time that no pause of the node reaches; returns how many rows that were.

        Args:
            now: Present time.
            longest_pause: Nothing is ever put off for longer; no lease is longer.
        """
        if not self._is_ahead(now, longest_pause):
            return 0
        settled = 0
        with self._database.write() as connection:
            for table, column, waits in _times():
                ahead = and_(waits, column > now + longest_pause)
                settled += connection.execute(update(table).where(ahead).values({column: now})).rowcount
            text = f"the clock was put back: {settled} times of waiting work lay ahead of it and were set to now"
            add_audit(connection, "clock put back", text, now)
        return settled

    def _is_ahead(self, now: datetime, longest_pause: timedelta) -> bool:
        with self._database.read() as connection:
            for table, column, waits in _times():
                ahead = and_(waits, column > now + longest_pause)
                if connection.execute(select(column).select_from(table).where(ahead).limit(1)).first() is not None:
                    return True
        return False


def _times() -> tuple[_Time, ...]:
    """Tables, columns and which rows of them wait for that time."""
    studies, jobs, deliveries, checks = tables.studies.c, tables.jobs.c, tables.deliveries.c, tables.study_checks.c
    is_open = studies.state == StudyState.OPEN
    return (
        (tables.studies, studies.first_arrival, is_open),
        (tables.studies, studies.last_arrival, is_open),
        (tables.jobs, jobs.next_attempt_at, jobs.state == JobState.WAITING),
        (tables.jobs, jobs.lease_until, jobs.state == JobState.LEASED),
        (tables.deliveries, deliveries.next_attempt_at, deliveries.state == DeliveryState.WAITING),
        (tables.deliveries, deliveries.lease_until, deliveries.state == DeliveryState.SENDING),
        (tables.deliveries, deliveries.next_proof_at, deliveries.next_proof_at.is_not(None)),
        (tables.study_checks, checks.next_attempt_at, checks.next_attempt_at.is_not(None)),
    )
