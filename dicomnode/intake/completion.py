"""When a study counts as complete (DESIGN: quiet period after the last release, or the deadline).

Where a device always ends such studies with the release of their only association, nothing is waited for. This is
learnt, not believed: each study that the quiet period closed says whether anything followed the release, and one that
something followed ends the trust in its device for good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from dicomnode.archive import Archive
from dicomnode.archive.habits import Habit
from dicomnode.archive.records import OpenStudy
from dicomnode.settings import CompletionSettings

_GRACE = timedelta(seconds=0.25)
"""After a release: who sends each series by itself mostly begins with the next one within this."""
_IDLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to close a study, and why or why not in one line.

    Attributes:
        waited: Whether the quiet period has passed.
        look_again: When the answer may be another one though nothing happens.
    """

    close: bool
    reason: str
    waited: bool = False
    look_again: datetime | None = None


def is_complete(
    study: OpenStudy, policy: CompletionSettings, now: datetime, habit: Callable[[], Habit | None] = lambda: None
) -> Decision:
    """Decide on one open study.

    A study is closed once nothing arrived, and no association that brought instances of it ended, for
    the quiet period while none is open any more; at the latest when the deadline has passed. Where its device has
    that habit, it is closed at the release of the only association that brought it.

    Args:
        study: As the index shows it.
        policy: The node's settings.
        now: Present time.
        habit: Of its device; only asked where it may decide.
    """
    deadline = study.first_arrival + timedelta(seconds=policy.deadline_seconds)
    if now >= deadline:
        return Decision(True, f"deadline of {policy.deadline_seconds:g} s after the first arrival")
    if study.open_associations:
        reason = f"{study.open_associations} association(s) may still bring instances"
        return Decision(False, reason, look_again=deadline)
    last_sign = max(study.last_arrival, study.last_released or study.last_arrival)
    quiet_until = last_sign + timedelta(seconds=policy.quiet_period_seconds)
    if now >= quiet_until:
        reason = f"nothing arrived for {policy.quiet_period_seconds:g} s and no association is open"
        return Decision(True, reason, waited=True)
    usual = _usual_end(study, policy, habit)
    if usual and now >= last_sign + _GRACE:
        return Decision(True, usual)
    waiting = f"quiet for {max((now - last_sign).total_seconds(), 0):.1f} s only"
    return Decision(False, waiting, look_again=last_sign + _GRACE if usual else quiet_until)


def _usual_end(study: OpenStudy, policy: CompletionSettings, habit: Callable[[], Habit | None]) -> str:
    """Why nothing is to be waited for; empty if the quiet period is."""
    if not (policy.adaptive and study.ended_once and study.generation == 0):
        return ""
    known = habit()
    if known is None or known.goes_on or known.studies < policy.adaptive_after_studies or known.images < known.fewest:
        return ""
    return f"its only association was released, and nothing followed in {known.studies} such studies of its sender"


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at the open studies led to.

    Attributes:
        closed: Study Instance UID and new generation of each study that was closed.
        pause_seconds: How long nothing will be due, unless something changes.
    """

    closed: list[tuple[str, int]]
    pause_seconds: float


def close_due_studies(archive: Archive, policy: CompletionSettings, now: datetime) -> Round:
    """Close every study that counts as complete.

    A study that received an instance in between stays open: its count of arrivals is compared in the
    transaction that closes it.
    """
    archive.instances.take_over()  # what a killed receiver had acknowledged
    archive.associations.close_dead(now)  # and it brings nothing more
    closed: list[tuple[str, int]] = []
    pause = _IDLE_SECONDS
    for study in archive.studies.open_studies():
        uid = study.study_instance_uid
        decision = is_complete(study, policy, now, partial(archive.habits.of, uid))
        if not decision.close:
            pause = min(pause, _seconds_until(decision.look_again, now))
            continue
        generation = archive.studies.complete(uid, decision.reason, study.arrivals, now, waited=decision.waited)
        if generation is not None:
            closed.append((uid, generation))
    return Round(closed, pause)


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return _IDLE_SECONDS if moment is None else max((moment - now).total_seconds(), 0.001)
