"""Days and times on the command line, UTC."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

_DAY_LENGTH = len("2026-11-01")


def first_moment(text: str) -> datetime:
    """The moment that a period begins with: ``2026-11-01`` or ``2026-11-01T08:30``, UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2026-11-01 or 2026-11-01T08:30") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def last_moment(text: str) -> datetime:
    """The moment before which a period ends: the end of the day, or the time itself."""
    moment = first_moment(text)
    return moment + timedelta(days=1) if len(text) == _DAY_LENGTH else moment
