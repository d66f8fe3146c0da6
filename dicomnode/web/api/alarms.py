"""Alarms for pages and programs: what is wrong, what to do, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from dicomnode.archive.archive import Archive
from dicomnode.settings import Settings
from dicomnode.watch.alarm import Alarm, AlarmKind
from dicomnode.watch.alarms import gather_alarms
from dicomnode.web.access.guard import NowOf
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf

ALARMS = "/api/v1/alarms"

_PAGES: Mapping[AlarmKind, str] = {
    AlarmKind.PEER_AWAY: "/peers",
    AlarmKind.DELIVERIES_WAIT: "/deliveries?state=waiting",
    AlarmKind.DELIVERIES_REFUSED: "/deliveries?state=refused",
    AlarmKind.DELIVERIES_HELD: "/deliveries?state=held",
    AlarmKind.DELIVERIES_NOWHERE: "/deliveries?state=waiting",
    AlarmKind.STUDY_STUCK: "/studies/{subject}",
    AlarmKind.JOB_STUCK: "/studies/{study}",
    AlarmKind.JOBS_FAILED: "/studies?standing=failed",
    AlarmKind.QUARANTINED: "/studies?standing=quarantined",
    AlarmKind.IDENTITY: "/studies?standing=conflict",
}


class AlarmBody(BaseModel):
    """Something that should be looked after.

    Attributes:
        kind: What is wrong, one word.
        subject: What it is about: a role, a target, a model, a Study Instance UID; empty for the node itself.
        grave: Whether studies do not come in, are not answered or do not get out because of it.
        since: When it began, if that is known.
        sentence: What is wrong.
        remedy: What to do.
        detail: What was said of it when it happened.
        page: Where to look, as a path of this node; empty if nowhere.
    """

    model_config = ConfigDict(frozen=True)

    kind: AlarmKind
    subject: str
    grave: bool
    since: datetime | None
    sentence: str
    remedy: str
    detail: str
    page: str


def add_alarm_route(router: APIRouter) -> None:
    """The list."""
    router.add_api_route(ALARMS, alarms, methods=["GET"], response_model=list[AlarmBody])


def alarms(archive: ArchiveOf, settings: SettingsOf, now: NowOf) -> list[AlarmBody]:
    """Alarms that are on, the grave ones first."""
    return present_alarms(archive, settings, now)


def present_alarms(archive: Archive, settings: Settings, now: datetime) -> list[AlarmBody]:
    """The same, in English."""
    return [body_of(alarm) for alarm in gather_alarms(archive, settings, now)]


def body_of(alarm: Alarm) -> AlarmBody:
    """An alarm in English."""
    return AlarmBody(
        kind=alarm.kind,
        subject=alarm.subject,
        grave=alarm.grave,
        since=alarm.since,
        sentence=alarm.text,
        remedy=alarm.advice,
        detail=alarm.detail,
        page=page_of(alarm),
    )


def page_of(alarm: Alarm) -> str:
    """Where to look; empty if nowhere."""
    page = _PAGES.get(alarm.kind, "")
    return page.format(subject=alarm.subject, study=alarm.fields.get("study", ""))
