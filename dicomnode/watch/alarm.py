"""An alarm: something that an administrator should know of, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AlarmKind(StrEnum):
    """What is wrong."""

    INDEX = "index"
    ROLE = "role"
    DISK_FULL = "disk-full"
    DISK_LOW = "disk-low"
    PEER_AWAY = "peer-away"
    DELIVERIES_WAIT = "deliveries-wait"
    DELIVERIES_REFUSED = "deliveries-refused"
    DELIVERIES_HELD = "deliveries-held"
    DELIVERIES_NOWHERE = "deliveries-nowhere"
    STUDY_STUCK = "study-stuck"
    JOB_STUCK = "job-stuck"
    JOBS_FAILED = "jobs-failed"
    QUARANTINED = "quarantined"
    IDENTITY = "identity"
    KEPT_BACK = "kept-back"
    CERTIFICATE = "certificate"
    CLOCK = "clock"
    AUDIT = "audit"
    STRANGERS = "strangers"
    CONFLICTS = "conflicts"
    NOTIFICATIONS = "notifications"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that should be looked after.

    Attributes:
        kind: What is wrong.
        subject: What it is about: a role, a target, a model, a Study Instance UID; empty for the node itself.
        since: When it began, None if nobody knows.
        sentence: What is wrong, in English and marked for translation; takes ``fields`` by name.
        remedy: What to do, likewise.
        fields: Values for both; UIDs and names of the settings, never of patients.
        detail: What was said of it when it happened, in the words of that time; may be empty.
        grave: Whether studies do not come in, are not answered or do not get out because of it.
    """

    kind: AlarmKind
    subject: str
    since: datetime | None
    sentence: str
    remedy: str
    fields: Mapping[str, str | int] = field(default_factory=dict)
    detail: str = ""
    grave: bool = False

    @property
    def text(self) -> str:
        """The sentence in English with its values."""
        return self.sentence % self.fields

    @property
    def advice(self) -> str:
        """The remedy in English with its values."""
        return self.remedy % self.fields
