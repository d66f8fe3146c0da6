"""Who is to be told of what, and who was: a message is written once, and sent until it is taken."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.records import JobState

_ROWS, _JOBS, _STUDIES = tables.notifications.c, tables.jobs.c, tables.studies.c


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to a channel.

    Attributes:
        channel: Its name in the settings.
        event: What happened.
        subject: What it is about; with channel and event, nothing is told twice.
        content: Values for its template, without patients.
        created: When it was written.
        attempts: Failed ones so far.
        next_attempt: Not before this.
        sent_at: When it was taken, None before.
        problem: Why it was not, so far.
        given_up: Whether it is not tried any more.
    """

    notification_id: int
    channel: str
    event: str
    subject: str
    content: Mapping[str, str]
    created: datetime
    attempts: int
    next_attempt: datetime
    sent_at: datetime | None
    problem: str
    given_up: bool


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that ended, in short.

    Attributes:
        outcome: A coded outcome; None of a job that failed without a document.
        score: Of the study, 0..1; None where there is none.
        failed: Whether it counts as failed.
        error: Why.
        accession_number: Of its study. Only for who may be given it.
    """

    job_id: int
    study_instance_uid: str
    model_name: str
    outcome: str | None
    score: float | None
    failed: bool
    error: str
    finished_at: datetime
    accession_number: str


class NotificationStore:
    """Rows of messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, channel: str, event: str, subject: str, content: Mapping[str, str], now: datetime, at: datetime
    ) -> bool:
        """Write a message that may be sent from a moment on; False if the channel was told before."""
        key = {"channel": channel, "event": event, "subject": subject}
        known = select(_ROWS.notification_id).filter_by(**key)
        with self._database.read() as connection:  # it is asked often, and must not queue with the writers for it
            if connection.execute(known).first() is not None:
                return False
        with self._database.write() as connection:
            if connection.execute(known).first() is not None:
                return False
            values = {"content": json.dumps(content), "created": now, "next_attempt": at}
            connection.execute(insert(tables.notifications).values(**key, **values))
        return True

    def due(self, channels: Collection[str], now: datetime, limit: int) -> list[Notification]:
        """What may be sent now, oldest first."""
        waiting = (_ROWS.channel.in_(channels), _ROWS.sent_at.is_(None), _ROWS.given_up.is_(False))
        query = select(tables.notifications).where(*waiting, _ROWS.next_attempt <= now)
        return self._listed(query.order_by(_ROWS.notification_id).limit(limit))

    def newest(self, limit: int = 100) -> list[Notification]:
        """The newest messages, newest first."""
        return self._listed(select(tables.notifications).order_by(_ROWS.notification_id.desc()).limit(limit))

    def sent(self, notification_id: int, now: datetime) -> None:
        """Note that a message was taken."""
        self._change(notification_id, {"sent_at": now, "problem": ""})

    def postponed(self, notification_id: int, at: datetime) -> None:
        """Wait for quiet hours to end."""
        self._change(notification_id, {"next_attempt": at})

    def failed(self, notification_id: int, problem: str, at: datetime) -> None:
        """Note that a message was not taken, and when it is tried again."""
        values = {"attempts": _ROWS.attempts + 1, "problem": problem, "next_attempt": at}
        self._change(notification_id, values)

    def give_up(self, notification_id: int, problem: str) -> None:
        """Try no more."""
        self._change(notification_id, {"attempts": _ROWS.attempts + 1, "problem": problem, "given_up": True})

    def given_up(self, after: datetime) -> dict[str, int]:
        """How many messages of each channel, written after a moment, nobody got."""
        query = select(_ROWS.channel, func.count().label("given_up")).where(
            _ROWS.given_up.is_(True), _ROWS.created > after
        )
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(_ROWS.channel)).all()
        return {row.channel: row.given_up for row in rows}

    def ended_jobs(self, after: datetime) -> list[EndedJob]:
        """Jobs of live work that ended after a moment, of models that speak."""
        ended = (_JOBS.state.in_((JobState.DONE, JobState.FAILED)), _JOBS.finished_at > after)
        of_study = _JOBS.study_instance_uid == _STUDIES.study_instance_uid
        query = (
            select(tables.jobs, _STUDIES.accession_number)
            .join(tables.studies, of_study)
            .where(*ended, _JOBS.silent.is_(False), _JOBS.priority >= 0)
            .order_by(_JOBS.finished_at)
        )
        with self._database.read() as connection:
            return [
                EndedJob(
                    row.job_id,
                    row.study_instance_uid,
                    row.model_name,
                    row.outcome,
                    row.score,
                    row.state == JobState.FAILED,
                    row.error,
                    row.finished_at,
                    row.accession_number,
                )
                for row in connection.execute(query)
            ]

    def _change(self, notification_id: int, values: Mapping[str, object]) -> None:
        with self._database.write() as connection:
            one = _ROWS.notification_id == notification_id
            connection.execute(update(tables.notifications).where(one).values(**values))

    def _listed(self, query: Select[tuple[object, ...]]) -> list[Notification]:
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_notification(row) for row in rows]


def _notification(row: IndexRow) -> Notification:
    return Notification(
        row.notification_id,
        row.channel,
        row.event,
        row.subject,
        json.loads(row.content),
        row.created,
        row.attempts,
        row.next_attempt,
        row.sent_at,
        row.problem,
        row.given_up,
    )
