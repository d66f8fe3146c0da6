"""Puts a notice into words: the administrator's templates, or the node's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jinja2 import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from dicomnode.errors import SettingsError
from dicomnode.settings.notifications import MessageSettings, NotificationSettings

_LONGEST_SUBJECT, _LONGEST_BODY = 200, 20_000
TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Attributes:
        subject: One line.
        body: Plain text.
    """

    subject: str
    body: str


_ALARM = (
    "[{{ node }}] {{ sentence }}",
    "{{ sentence }}\n{{ advice }}\n{% if detail %}Said last: {{ detail }}\n{% endif %}Since {{ since }}.",
)
_STUDY = "Study {{ study }}{% if accession %}, accession number {{ accession }}{% endif %}, {{ at }}.\n"
_OWN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "positive": (
            "[{{ node }}] {{ model }}: positive",
            "{{ model }} reports findings{% if score %} (score {{ score }}){% endif %}; no human has verified them.\n"
            + _STUDY,
        ),
        "failed": (
            "[{{ node }}] {{ model }}: failed",
            "{{ model }} failed: {{ detail }}.\n" + _STUDY + "Job {{ job }}.",
        ),
        TEST: ("[{{ node }}] a test", "Channel {{ channel }} of the node {{ node }} works."),
    }
)


def put_into_words(event: str, values: Mapping[str, str], channel: NotificationSettings, node: str) -> Message:
    """The message for a channel.

    Args:
        event: What happened; names the template.
        values: For the template.
        channel: May have templates of its own.
        node: The node's AE title.

    Raises:
        SettingsError: A template of the settings cannot be filled in.
    """
    own_subject, own_body = _OWN.get(event, _ALARM)
    given = next(
        (item for name, item in channel.templates.items() if name == event), MessageSettings.model_validate({})
    )
    known = {**values, "event": event, "node": node, "channel": channel.name}
    subject = _fill(given.subject or own_subject, known, channel.name)
    body = _fill(given.body or own_body, known, channel.name)
    return Message(" ".join(subject.split())[:_LONGEST_SUBJECT], body[:_LONGEST_BODY])


def _fill(template: str, values: Mapping[str, str], channel: str) -> str:
    plain = SandboxedEnvironment(autoescape=False)
    try:
        return plain.from_string(template).render(values)
    except (TemplateError, ArithmeticError, TypeError, ValueError, AttributeError, LookupError, MemoryError) as error:
        raise SettingsError(f"notifications.{channel}: a template cannot be filled in: {error}") from error
