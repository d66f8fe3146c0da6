"""How each peer answered last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, insert, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database


class PeerKind(StrEnum):
    """What the node has to do with a peer; names are unique within a kind."""

    TARGET = "target"
    PACS = "pacs"
    POLLER = "poller"


@dataclass(frozen=True, slots=True)
class Echo:
    """A peer's answer to an echo.

    Attributes:
        name: As in the settings.
        at: When it was asked.
        good: Whether it answered as it should.
        detail: What it said, or what was wrong and what to do.
        milliseconds: How long that took.
    """

    kind: PeerKind
    name: str
    at: datetime
    good: bool
    detail: str
    milliseconds: int


class EchoStore:
    """One row per peer: the last echo."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, echo: Echo) -> None:
        """Keep an echo in place of the one before."""
        rows = tables.echoes
        values = {
            "at": echo.at,
            "good": echo.good,
            "detail": echo.detail,
            "milliseconds": echo.milliseconds,
        }
        with self._database.write() as connection:
            connection.execute(delete(rows).where(rows.c.kind == echo.kind, rows.c.name == echo.name))
            connection.execute(insert(rows).values(kind=echo.kind, name=echo.name, **values))

    def list(self) -> list[Echo]:
        """The last echo of every peer, also of peers that are no longer in the settings; by kind and name."""
        rows = tables.echoes
        with self._database.read() as connection:
            found = connection.execute(select(rows).order_by(rows.c.kind, rows.c.name)).all()
        return [Echo(PeerKind(row.kind), row.name, row.at, row.good, row.detail, row.milliseconds) for row in found]
