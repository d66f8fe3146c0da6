"""How long to wait before the next attempt."""

from __future__ import annotations

_FIRST_SECONDS = 1.0
_MOST_DOUBLINGS = 32


def backoff(attempts: int, maximum: float, jitter: float) -> float:
    """Seconds until the next attempt: doubled each time, capped, spread so that senders do not march in step.

    Args:
        attempts: Failed attempts so far, at least 1.
        maximum: Longest pause in seconds.
        jitter: A random number, 0..1.

    Returns:
        Between half the capped pause and all of it.
    """
    pause = min(maximum, _FIRST_SECONDS * 2.0 ** min(attempts - 1, _MOST_DOUBLINGS))
    return pause * (0.5 + 0.5 * jitter)
