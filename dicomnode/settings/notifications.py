"""Who is told of what happens, and by which way."""

from __future__ import annotations

from datetime import time
from typing import Literal, Self

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from pydantic import Field, field_validator, model_validator

from dicomnode.settings.section import Name, Secret, Section

Event = Literal["positive", "failed", "stuck", "disk-low", "peer-away", "undelivered", "alarm"]


class MessageSettings(Section):
    """A message in words of one's own: Jinja templates, run in a sandbox."""

    subject: str | None = Field(None, description="One line; absent: the node's own words.")
    body: str | None = Field(None, description="The text; absent: the node's own words.")

    @field_validator("subject", "body")
    @classmethod
    def _template(cls, text: str | None) -> str | None:
        try:
            SandboxedEnvironment(autoescape=False).parse(text or "")
        except TemplateSyntaxError as error:
            raise ValueError(f"no Jinja template: {error.message}, line {error.lineno}") from None
        return text


class NotificationSettings(Section):
    """A channel: a mailbox, a web hook, or whatever else Apprise reaches."""

    name: Name = Field(description="Short name, used in logs.")
    url: Secret = Field(
        description="Where its address is: file:PATH or env:NAME. An https or http address gets JSON by POST; others"
        " are Apprise's, such as mailtos://user:password@mail.example.org."
    )
    events: tuple[Event, ...] = Field(
        ("positive", "failed", "stuck", "disk-low", "peer-away", "undelivered"),
        description="What it is told: positive, failed, stuck, disk-low, peer-away, undelivered, alarm (all others).",
    )
    models: tuple[str, ...] = Field((), description="Only of these models; empty: of all.")
    minimum_score: float = Field(0.0, ge=0, le=1, description="Positive answers with a lower score are not told.")
    after_minutes: float = Field(5.0, ge=0, description="What may pass by itself is told once it lasts so long.")
    quiet_hours: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="Wait for the end of these hours of the day, in the machine's time: 22:00-06:00.",
    )
    include_accession: bool = Field(False, description="Give Accession Numbers to the templates; never names nor IDs.")
    templates: dict[Event, MessageSettings] = Field(default_factory=dict, description="Words of one's own, by event.")

    @model_validator(mode="after")
    def _some_hours(self) -> Self:
        hours = self.quiet
        if hours is not None and hours[0] == hours[1]:
            raise ValueError(f"notifications {self.name}: quiet_hours must not begin and end at the same time")
        return self

    @property
    def quiet(self) -> tuple[time, time] | None:
        """Begin and end of the quiet hours."""
        if self.quiet_hours is None:
            return None
        begin, _, end = self.quiet_hours.partition("-")
        return time.fromisoformat(begin), time.fromisoformat(end)
