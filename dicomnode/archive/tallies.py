"""How much each peer sent on each day, and how much of it was not taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one peer and one day (UTC).

    Attributes:
        peer: Its name, ``?`` for all that the settings do not name.
        day: YYYY-MM-DD.
        size: Bytes of instances that were taken.
        instances: Instances that were taken, known ones too.
        duplicates: Those of them that were here already.
        conflicts: Instances of a known UID with other content.
        refused: Other instances that were not taken.
        rejected: Associations that were rejected.
        dropped: Connections that were ended because nothing came.
    """

    peer: str
    day: str
    size: int = 0
    instances: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    rejected: int = 0
    dropped: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Both counts together, under this one's name and day."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Tally(self.peer, self.day, **sums)


COUNTS = tuple(field.name for field in fields(Tally) if field.name not in ("peer", "day"))


class TallyStore:
    """Rows of tallies; every process that receives adds to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, tallies: Iterable[Tally]) -> None:
        """Add counts to what is there."""
        rows, listed = tables.intake_tallies, list(tallies)
        if not listed:
            return
        with self._database.write() as connection:
            for tally in listed:
                counts = {name: rows.c[name] + getattr(tally, name) for name in COUNTS}
                key = (rows.c.peer == tally.peer, rows.c.day == tally.day)
                if connection.execute(update(rows).where(*key).values(counts)).rowcount == 0:
                    fresh = {name: getattr(tally, name) for name in COUNTS}
                    connection.execute(insert(rows).values(peer=tally.peer, day=tally.day, **fresh))

    def of_day(self, day: str) -> list[Tally]:
        """Every peer's counts of a day, by name."""
        rows = tables.intake_tallies
        with self._database.read() as connection:
            found = connection.execute(select(rows).where(rows.c.day == day).order_by(rows.c.peer))
            return [Tally(row.peer, row.day, **{name: getattr(row, name) for name in COUNTS}) for row in found]


def day_of(now: datetime) -> str:
    """The day (UTC) that a moment counts for."""
    return f"{now:%Y-%m-%d}"
