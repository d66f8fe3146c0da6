"""Words for what stands in the index: states, outcomes, roles. Each is marked for translation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dicomnode.web.languages import marked

# By the value in the index. A value means the same wherever it stands, so that it has one word.
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "admin": marked("administrator"),
        "answering": marked("answering"),
        "broken": marked("broken"),
        "cancelled": marked("cancelled"),
        "classification": marked("classification"),
        "committed": marked("committed"),
        "complete": marked("complete"),
        "conflict": marked("identity in doubt"),
        "covered": marked("covered by another"),
        "critical": marked("critical"),
        "delivered": marked("delivered"),
        "detection": marked("detection of lesions"),
        "disabled": marked("disabled"),
        "done": marked("done"),
        "exam": marked("whole exams"),
        "failed": marked("failed"),
        "findings": marked("findings"),
        "good": marked("in order"),
        "held": marked("held"),
        "incomplete": marked("incomplete"),
        "leased": marked("running"),
        "live": marked("live"),
        "missing": marked("missing"),
        "no_answer": marked("no answer"),
        "no_findings": marked("no findings"),
        "none": marked("none"),
        "off": marked("off"),
        "open": marked("arriving"),
        "operator": marked("operator"),
        "out_of_scope": marked("out of scope"),
        "pacs": marked("PACS"),
        "pending": marked("to be proven"),
        "poller": marked("polled"),
        "quarantined": marked("quarantined"),
        "ready": marked("ready"),
        "refused": marked("refused"),
        "replaced": marked("replaced"),
        "requested": marked("commitment requested"),
        "sender": marked("sender"),
        "sending": marked("sending"),
        "silent": marked("silent"),
        "superseded": marked("superseded"),
        "target": marked("target"),
        "unasked": marked("not asked yet"),
        "unchecked": marked("not compared"),
        "unproven": marked("unproven"),
        "viewer": marked("viewer"),
        "visible": marked("visible there"),
        "waiting": marked("waiting"),
        "warning": marked("warning"),
        "whole": marked("whole"),
        "withdrawn": marked("withdrawn"),
    }
)


def word_of(value: str) -> str:
    """The English word for a value of the index, to be shown by ``_(...)``; the value itself if it is none of ours."""
    return _WORDS.get(value, value.replace("_", " "))
