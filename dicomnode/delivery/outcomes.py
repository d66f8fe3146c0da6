"""What a peer's answer to a stored object means: tables of DIMSE and HTTP statuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum


class OutcomeKind(StrEnum):
    """Whether an object arrived, and whether trying again may help."""

    SUCCESS = "success"
    WARNING = "warning"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    COVERED = "covered"  # not sent, because another object says the same
    HELD = "held"  # not sent at all: identity is in doubt


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """How sending one object ended.

    Attributes:
        kind: Success and warning mean that the peer said it has the object.
        status: What the peer said, one line.
        retry_after: Seconds that the peer asked to be left alone, None if it did not say.
        answer: What the peer said at length (error comment, HTTP body): for an administrator, not for a log.
        of_class: True if the peer refused the object for what it is, its SOP class or its encoding: an object of
            another kind may be taken.
    """

    kind: OutcomeKind
    status: str
    retry_after: float | None = None
    answer: str = ""
    of_class: bool = False

    @property
    def arrived(self) -> bool:
        """True if the peer has the object by its own word."""
        return self.kind in (OutcomeKind.SUCCESS, OutcomeKind.WARNING)


# By these a peer refuses the kind of object, and neither this object nor this sender.
_OF_CLASS = (range(0x0122, 0x0123), range(0x0118, 0x0119), range(0xA900, 0xAA00))
HTTP_OF_CLASS = (406, 415)
# PS3.4 Table B.2-1, PS3.7 Annex C, PS3.18 Table 10.5.3-2: lowest code, highest code, meaning, words.
_STATUSES: tuple[tuple[int, int, OutcomeKind, str], ...] = (
    (0x0000, 0x0000, OutcomeKind.SUCCESS, "success"),
    (0xB000, 0xB000, OutcomeKind.WARNING, "coercion of data elements"),
    (0xB006, 0xB006, OutcomeKind.WARNING, "elements discarded"),
    (0xB007, 0xB007, OutcomeKind.WARNING, "data set does not match SOP class"),
    (0x0001, 0x0001, OutcomeKind.WARNING, "warning"),
    (0xB001, 0xBFFF, OutcomeKind.WARNING, "warning"),
    (0x0107, 0x0107, OutcomeKind.WARNING, "attribute list error"),
    (0x0116, 0x0116, OutcomeKind.WARNING, "attribute value out of range"),
    (0xA700, 0xA7FF, OutcomeKind.TRANSIENT, "out of resources"),
    (0x0110, 0x0110, OutcomeKind.TRANSIENT, "processing failure"),
    (0x0210, 0x0210, OutcomeKind.TRANSIENT, "duplicate invocation"),
    (0x0213, 0x0213, OutcomeKind.TRANSIENT, "resource limitation"),
    (0xA900, 0xA9FF, OutcomeKind.PERMANENT, "data set does not match SOP class"),
    (0xC000, 0xCFFF, OutcomeKind.PERMANENT, "cannot understand"),
    (0x0111, 0x0111, OutcomeKind.PERMANENT, "duplicate SOP instance"),
    (0x0117, 0x0117, OutcomeKind.PERMANENT, "invalid SOP instance"),
    (0x0118, 0x0118, OutcomeKind.PERMANENT, "no such SOP class"),
    (0x0122, 0x0122, OutcomeKind.PERMANENT, "SOP class not supported"),
    (0x0124, 0x0124, OutcomeKind.PERMANENT, "not authorised"),
    (0x0211, 0x0211, OutcomeKind.PERMANENT, "unrecognised operation"),
    (0x0212, 0x0212, OutcomeKind.PERMANENT, "mistyped argument"),
)


def statuses() -> tuple[tuple[int, int, OutcomeKind, str], ...]:
    """The table: lowest code, highest code, meaning, words; the first row that fits counts."""
    return _STATUSES


def dimse_outcome(status: int) -> SendOutcome:
    """What a C-STORE status, or a STOW-RS Failure Reason (0008,1197) or Warning Reason (0008,1196), means.

    A status that no table knows is permanent: sending the same bytes again gets the same answer.
    """
    for lowest, highest, kind, words in _STATUSES:
        if lowest <= status <= highest:
            return SendOutcome(kind, f"0x{status:04X} {words}", of_class=any(status in codes for codes in _OF_CLASS))
    return SendOutcome(OutcomeKind.PERMANENT, f"0x{status:04X} unknown status")


_LONGEST_ANSWER = 2000
_HTTP_TRANSIENT = frozenset({408, 425, 429})


def spoken(*parts: object) -> str:
    """What a peer said, as text that can be shown: bounded, without control characters."""
    text = " ".join(str(part) for part in parts if part)
    return "".join(character if character.isprintable() else " " for character in text[:_LONGEST_ANSWER]).strip()


def http_failure(status: int, retry_after: str | None, now: datetime, body: str = "") -> SendOutcome:
    """What an HTTP status other than 200, 202 and 409 means for the whole request (PS3.18 8.6.2).

    Args:
        status: Such as 503.
        retry_after: The Retry-After header: seconds or an HTTP date (RFC 9110 10.2.3).
        now: For a date in `retry_after`.
        body: Of the answer.
    """
    if status >= 500 or status in _HTTP_TRANSIENT:
        return SendOutcome(OutcomeKind.TRANSIENT, f"HTTP {status}", _seconds(retry_after, now), spoken(body))
    of_class = status in HTTP_OF_CLASS
    return SendOutcome(OutcomeKind.PERMANENT, f"HTTP {status}", answer=spoken(body), of_class=of_class)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=now.tzinfo)
    return max(0.0, (at - now).total_seconds())
