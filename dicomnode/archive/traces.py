"""What happened to each study, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import StudyRecord, TraceEntry


class TraceStore:
    """The traces of all studies, one line per event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, study_instance_uid: str, generation: int, event: str, model_name: str | None, text: str, now: datetime
    ) -> None:
        """Add a line."""
        entry = TraceEntry(study_instance_uid, generation, event, model_name, text, now)
        with self._database.write() as connection:
            add_trace(connection, entry)

    def list(self, study_instance_uid: str) -> list[TraceEntry]:
        """A study's lines in the order in which they happened."""
        rows = tables.traces
        query = select(rows).where(rows.c.study_instance_uid == study_instance_uid).order_by(rows.c.trace_id)
        with self._database.read() as connection:
            return [
                TraceEntry(row.study_instance_uid, row.generation, row.event, row.model_name, row.text, row.at)
                for row in connection.execute(query)
            ]


def why_of(record: StudyRecord, entries: Sequence[TraceEntry]) -> dict[str, str]:
    """For every model, why it ran on the latest routed generation or did not; "study" for what holds for all."""
    return {
        entry.model_name or "study": entry.text
        for entry in entries
        if entry.event == "routing" and entry.generation == record.routed_generation
    }


def add_trace(connection: Connection, entry: TraceEntry) -> None:
    """Add a line in a transaction that does more; line breaks become spaces."""
    add_traces(connection, [entry])


def add_traces(connection: Connection, entries: Iterable[TraceEntry]) -> None:
    """Add lines in their order, in a transaction that does more."""
    rows = [
        {
            "study_instance_uid": entry.study_instance_uid,
            "generation": entry.generation,
            "event": entry.event,
            "model_name": entry.model_name,
            "text": " ".join(entry.text.split()),
            "at": entry.at,
        }
        for entry in entries
    ]
    if rows:
        connection.execute(insert(tables.traces), rows)
