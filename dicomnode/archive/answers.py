"""What the models answered, to be counted: how often which outcome, and how the scores spread."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.records import JobState

_JOBS = tables.jobs.c
_FAILED = "failed"


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer of a model in short.

    Attributes:
        bundle_digest: Of the bundle that gave it.
        outcome: A coded outcome; ``failed`` also of a job that ended without a document.
        score: Of the study, 0..1; None where there is none.
        finished_at: When.
    """

    bundle_digest: str
    outcome: str
    score: float | None
    finished_at: datetime


class AnswerStore:
    """Finished jobs, without what they wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, model_name: str) -> tuple[int, datetime | None]:
        """How many answers a model gave, and when the last; as long as both stay, so do the answers."""
        query = select(func.count(), func.max(_JOBS.finished_at)).where(_JOBS.model_name == model_name, _ANSWERED)
        with self._database.read() as connection:
            count, last = connection.execute(query).one()
        return int(count), last

    def list(self, model_name: str, limit: int) -> list[GivenAnswer]:
        """The last answers of a model, newest first."""
        columns = (_JOBS.bundle_digest, _JOBS.outcome, _JOBS.score, _JOBS.finished_at)
        query = select(*columns).where(_JOBS.model_name == model_name, _ANSWERED)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_JOBS.finished_at.desc()).limit(limit)).all()
        return [GivenAnswer(digest, outcome or _FAILED, score, at) for digest, outcome, score, at in rows]


_ANSWERED = or_(_JOBS.outcome.is_not(None), _JOBS.state == JobState.FAILED) & _JOBS.finished_at.is_not(None)


def answer_values(result_json: str) -> dict[str, Any]:
    """The columns of a job that are counted, from its stored result."""
    result = json.loads(result_json)
    answer = result.get("answer") or {}
    return {"outcome": result.get("outcome"), "score": answer.get("score")}
