"""Waiting for a study's answers, and telling what happens to it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, JobState, TraceEntry
from dicomnode.errors import DicomNodeError, NotFoundError

_LOOK_SECONDS = 0.1
_JOB_ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.SUPERSEDED})
_DELIVERY_ENDED = frozenset(
    {DeliveryState.DELIVERED, DeliveryState.WARNING, DeliveryState.REFUSED, DeliveryState.COVERED}
)


def wait_for_answers(
    archive: Archive,
    study_instance_uid: str,
    seconds: float,
    tell: Callable[[TraceEntry], None],
    check: Callable[[], None],
) -> None:
    """Wait until every job of a study has ended and all its evidence was delivered.

    Args:
        archive: Of the node.
        study_instance_uid: A study that was sent to it.
        seconds: Longest wait.
        tell: Called with each new line of the study's trace.
        check: Called again and again; raises if there is nothing left to wait for.

    Raises:
        DicomNodeError: A job failed, a delivery was refused, or time ran out.
    """
    deadline = time.monotonic() + seconds
    told = 0
    while True:
        lines = archive.traces.list(study_instance_uid)
        for line in lines[told:]:
            tell(line)
        told = len(lines)
        if _all_ended(archive, study_instance_uid):
            return
        check()
        if time.monotonic() > deadline:
            raise DicomNodeError(f"no answer after {seconds:.0f} s; the last line of the trace: {_last(lines)}")
        time.sleep(_LOOK_SECONDS)


def _all_ended(archive: Archive, study_instance_uid: str) -> bool:
    try:
        record = archive.studies.record(study_instance_uid)
    except NotFoundError:
        return False
    if record.generation == 0 or record.routed_generation < record.generation:
        return False
    jobs, deliveries = archive.jobs.list(study_instance_uid), archive.deliveries.list(study_instance_uid)
    for job in jobs:
        if job.state is JobState.FAILED:
            raise DicomNodeError(f"{job.model_name} failed: {job.error}")
    for delivery in deliveries:
        if delivery.state is DeliveryState.REFUSED:
            raise DicomNodeError(f"the second PACS refused {delivery.sop_instance_uid}: {delivery.status}")
    return all(job.state in _JOB_ENDED for job in jobs) and all(d.state in _DELIVERY_ENDED for d in deliveries)


def _last(lines: list[TraceEntry]) -> str:
    return lines[-1].text if lines else "there is none, nothing arrived"
