"""How the node stands, in numbers for a monitor: queries that stay quick on a large index, so that it may ask often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.priors import awaits_priors
from dicomnode.archive.records import DeliveryState, JobState, ProofState
from dicomnode.archive.tallies import COUNTS, Tally

_JOBS, _DELIVERIES, _TALLIES = tables.jobs.c, tables.deliveries.c, tables.intake_tallies.c
_NOTIFICATIONS = tables.notifications.c


@dataclass(frozen=True, slots=True)
class Unsent:
    """Notifications of a channel that nobody got.

    Attributes:
        channel: Its name.
        given_up: Whether they are not tried any more.
        count: How many.
    """

    channel: str
    given_up: bool
    count: int


class GaugeStore:
    """Counts over several tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def instances(self) -> dict[str, int]:
        """How many instances are kept of each kind."""
        rows = tables.contents.c
        query = select(rows.kind, func.sum(rows.held)).group_by(rows.kind).order_by(rows.kind)
        with self._database.read() as connection:
            return {kind: int(held) for kind, held in connection.execute(query)}

    def open_jobs(self) -> dict[tuple[str, JobState], int]:
        """Jobs that wait or run, by model and state."""
        query = select(_JOBS.model_name, _JOBS.state, func.count())
        query = query.where(_JOBS.state.in_((JobState.WAITING, JobState.LEASED)))
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(_JOBS.model_name, _JOBS.state))
            return {(model, JobState(state)): count for model, state, count in rows}

    def oldest_due_job(self, now: datetime) -> datetime | None:
        """Since when the job waits that may be begun the longest; None if none waits for a worker."""
        due = (_JOBS.state == JobState.WAITING, _JOBS.next_attempt_at <= now, ~awaits_priors())
        with self._database.read() as connection:
            found: datetime | None = connection.execute(select(func.min(_JOBS.next_attempt_at)).where(*due)).scalar()
        return found

    def proofs(self) -> dict[tuple[str, ProofState], int]:
        """Deliveries by target and state of proof."""
        query = select(_DELIVERIES.target, _DELIVERIES.proof, func.count())
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(_DELIVERIES.target, _DELIVERIES.proof))
            return {(target, ProofState(state)): count for target, state, count in rows}

    def oldest_waiting_deliveries(self, targets: tuple[str, ...]) -> dict[str, datetime]:
        """Since when the delivery to each target waits that changed the longest ago; targets with none are left out."""
        found = {}
        with self._database.read() as connection:
            for target in targets:
                waiting = (_DELIVERIES.target == target, _DELIVERIES.state == DeliveryState.WAITING)
                oldest = connection.execute(select(func.min(_DELIVERIES.updated_at)).where(*waiting)).scalar()
                if oldest is not None:
                    found[target] = oldest
        return found

    def tallies(self) -> list[Tally]:
        """What each peer sent in all days together."""
        sums = [func.sum(_TALLIES[name]).label(name) for name in COUNTS]
        query = select(_TALLIES.peer, *sums).group_by(_TALLIES.peer).order_by(_TALLIES.peer)
        with self._database.read() as connection:
            return [
                Tally(row.peer, "", **{name: int(getattr(row, name)) for name in COUNTS})
                for row in connection.execute(query)
            ]

    def unsent_notifications(self) -> list[Unsent]:
        """Notifications that were not sent yet, or are not tried any more."""
        groups = (_NOTIFICATIONS.channel, _NOTIFICATIONS.given_up)
        query = select(*groups, func.count()).where(_NOTIFICATIONS.sent_at.is_(None)).group_by(*groups)
        with self._database.read() as connection:
            return [Unsent(*row) for row in connection.execute(query.order_by(*groups))]

    def database_size(self) -> int:
        """Bytes of the index; of an SQLite file without its log."""
        sqlite = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        server = "SELECT pg_database_size(current_database())"
        with self._database.read() as connection:
            asked = sqlite if connection.dialect.name == "sqlite" else server
            return int(connection.execute(text(asked)).scalar_one())
