"""Comparisons of studies with what a PACS holds, one row per study."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database


class CheckState(StrEnum):
    """How a comparison ended."""

    WAITING = "waiting"  # to be tried again
    WHOLE = "whole"  # every image that the PACS lists is here
    INCOMPLETE = "incomplete"  # images that the PACS lists could not be had
    UNCHECKED = "unchecked"  # no PACS answered in time, or none knows the study


@dataclass(frozen=True, slots=True)
class StudyCheck:
    """What became of comparing a study with a PACS.

    Attributes:
        study_instance_uid: (0020,000D).
        generation: Of the study, that the comparison led to or will lead to.
        state: How it ended.
        pacs: Name of the PACS that answered, empty if none did.
        expected: Images that it lists, None if none answered.
        held: Of those, how many are here.
        attempts: Comparisons tried.
        next_attempt_at: For a waiting one: not before this.
        status: One line for the trace.
    """

    study_instance_uid: str
    generation: int
    state: CheckState
    pacs: str
    expected: int | None
    held: int
    attempts: int
    next_attempt_at: datetime
    status: str


class CheckStore:
    """Rows of comparisons."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, study_instance_uid: str, generation: int) -> StudyCheck | None:
        """The comparison that led to a generation of a study, None if there was none, or a later one since."""
        rows = tables.study_checks
        query = select(rows).where(rows.c.study_instance_uid == study_instance_uid, rows.c.generation == generation)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else StudyCheck(**(dict(row._mapping) | {"state": CheckState(row.state)}))

    def put(self, check: StudyCheck) -> None:
        """Write a comparison in place of the study's last one."""
        rows = tables.study_checks
        values = {column.name: getattr(check, column.name) for column in rows.columns}
        key = rows.c.study_instance_uid == check.study_instance_uid
        with self._database.write() as connection:
            if connection.execute(update(rows).where(key).values(values)).rowcount == 0:
                connection.execute(insert(rows).values(values))
