"""Spans as values, with identifiers that follow from what they are about: sent twice, they are still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class SpanId:
    """Where a span stands.

    Attributes:
        trace: 128 bits.
        span: 64 bits.
    """

    trace: int
    span: int


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at a moment."""

    name: str
    at: datetime
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work.

    Attributes:
        parent: The work that it is a part of, None for the whole.
        problem: Why it failed, empty if it did not.
        follows: The trace of the completion before, None if there is none.
    """

    name: str
    identity: SpanId
    parent: SpanId | None
    start: datetime
    end: datetime
    attributes: Mapping[str, Value] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    problem: str = ""
    follows: SpanId | None = None


def identify(study_instance_uid: str, generation: int, *path: str | int) -> SpanId:
    """The identity of a span.

    Args:
        study_instance_uid: With the generation, it gives the trace.
        generation: Which completion.
        path: Which part of the work; nothing for the whole.
    """
    whole = f"{study_instance_uid}|{generation}"
    trace = hashlib.sha256(whole.encode()).digest()[:16]
    span = hashlib.sha256("|".join((whole, "span", *map(str, path))).encode()).digest()[:8]
    return SpanId(int.from_bytes(trace), int.from_bytes(span))
