"""When a study counts as complete (DESIGN: quiet period after the last release, or the deadline)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.archive.records import OpenStudy
from dicomnode.settings import CompletionSettings


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to close a study, and why or why not in one line."""

    close: bool
    reason: str


def is_complete(study: OpenStudy, policy: CompletionSettings, now: datetime) -> Decision:
    """Decide on one open study.

    A study is closed once nothing arrived, and no association that brought instances of it ended, for
    the quiet period while none is open any more; at the latest when the deadline has passed.
    """
    open_for = now - study.first_arrival
    if open_for >= timedelta(seconds=policy.deadline_seconds):
        return Decision(True, f"deadline of {policy.deadline_seconds:g} s after the first arrival")
    if study.open_associations:
        return Decision(False, f"{study.open_associations} association(s) may still bring instances")
    last_sign = max(study.last_arrival, study.last_released or study.last_arrival)
    if now - last_sign >= timedelta(seconds=policy.quiet_period_seconds):
        return Decision(True, f"nothing arrived for {policy.quiet_period_seconds:g} s and no association is open")
    return Decision(False, f"quiet for {max((now - last_sign).total_seconds(), 0):.1f} s only")


def close_due_studies(archive: Archive, policy: CompletionSettings, now: datetime) -> list[tuple[str, int]]:
    """Close every study that counts as complete.

    A study that received an instance in between stays open: its count of arrivals is compared in the
    transaction that closes it.

    Returns:
        Study Instance UID and new generation of each study that was closed here.
    """
    archive.associations.close_dead(now)  # a killed receiver brings nothing more
    closed = []
    for study in archive.studies.open_studies():
        decision = is_complete(study, policy, now)
        if not decision.close:
            continue
        generation = archive.studies.complete(study.study_instance_uid, decision.reason, study.arrivals, now)
        if generation is not None:
            closed.append((study.study_instance_uid, generation))
    return closed
