"""What somebody is told: found in the index, put into words by a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicomnode.archive.notifications import EndedJob
from dicomnode.settings.notifications import Event, NotificationSettings
from dicomnode.watch.alarm import Alarm, AlarmKind

_POSITIVE = "findings"
_EVENTS: Mapping[AlarmKind, Event] = {
    AlarmKind.STUDY_STUCK: "stuck",
    AlarmKind.JOB_STUCK: "stuck",
    AlarmKind.DISK_FULL: "disk-low",
    AlarmKind.DISK_LOW: "disk-low",
    AlarmKind.PEER_AWAY: "peer-away",
    AlarmKind.DELIVERIES_WAIT: "peer-away",
    AlarmKind.DELIVERIES_REFUSED: "undelivered",
    AlarmKind.DELIVERIES_HELD: "undelivered",
    AlarmKind.DELIVERIES_NOWHERE: "undelivered",
}
# Told by events of their own, or by the very channel that does not work
_UNTOLD = frozenset({AlarmKind.JOBS_FAILED, AlarmKind.NOTIFICATIONS})


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told, before it is put into words.

    Attributes:
        event: What happened.
        subject: What it is about; nobody is told twice of the same.
        values: For the template.
    """

    event: Event
    subject: str
    values: Mapping[str, str]


def notice_of_job(job: EndedJob, channel: NotificationSettings) -> Notice | None:
    """What a channel is told of a job that ended; None if that is not its business."""
    if channel.models and job.model_name not in channel.models:
        return None
    values = {"model": job.model_name, "study": job.study_instance_uid, "at": _time(job.finished_at)}
    if channel.include_accession:
        values["accession"] = job.accession_number
    if job.failed:
        more = {"job": str(job.job_id), "detail": job.error}
        return _wanted(Notice("failed", str(job.job_id), values | more), channel)
    if job.outcome != _POSITIVE or (job.score is not None and job.score < channel.minimum_score):
        return None
    if job.score is not None:
        values["score"] = f"{job.score:.2f}"
    # A study that completes anew with the same answer is no news
    return _wanted(Notice("positive", f"{job.model_name} {job.study_instance_uid}", values), channel)


def notice_of_alarm(alarm: Alarm, since: datetime, channel: NotificationSettings, now: datetime) -> Notice | None:
    """What a channel is told of an alarm that is on since a moment; None if that is not its business, or not yet."""
    model = str(alarm.fields.get("model", ""))
    if alarm.kind in _UNTOLD or (channel.models and model and model not in channel.models):
        return None
    if now - since < timedelta(minutes=channel.after_minutes):
        return None
    values = {"sentence": alarm.text, "advice": alarm.advice, "detail": alarm.detail, "since": _time(since)}
    values |= {name: str(alarm.fields[name]) for name in ("study", "model", "job") if name in alarm.fields}
    subject = f"{alarm.kind} {alarm.subject} {since.isoformat(timespec='seconds')}"
    return _wanted(Notice(_EVENTS.get(alarm.kind, "alarm"), subject, values), channel)


def _wanted(notice: Notice, channel: NotificationSettings) -> Notice | None:
    return notice if notice.event in channel.events else None


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
