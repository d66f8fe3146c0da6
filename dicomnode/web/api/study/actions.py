"""What an operator can have done with a study; who asked is written into the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi import Request
from pydantic import Field

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Evidence, JobState
from dicomnode.archive.replays import Replay
from dicomnode.archive.sendings import Sending
from dicomnode.dicom.audit import AuditKind
from dicomnode.errors import NotFoundError, StateError, UsageError
from dicomnode.jobs.retrying import Retried, retry_job, retry_study
from dicomnode.settings import Settings
from dicomnode.web.api.study.evidence import evidence_of
from dicomnode.web.api.views import Order, View
from dicomnode.web.auditing import actor_of


class RunAgain(Order):
    """Which models look at the study once more; only a result that differs supersedes the one before and is sent."""

    model: str = Field("", max_length=255, description="Bundle name; empty for every model that matches.")
    silent: bool = Field(False, description="Compute and show, without sending.")


class Retry(Order):
    """What is tried again: a job, a delivery, or with neither all of the study that did not end well."""

    job: int | None = Field(None, ge=0, lt=2**31)
    delivery: int | None = Field(None, ge=0, lt=2**31)


class Send(Order):
    """Evidence objects for targets; without a list of objects, all current ones."""

    targets: tuple[str, ...] = Field(min_length=1, max_length=32, description="Names of targets.")
    evidence: tuple[str, ...] = Field((), max_length=1000, description="SOP Instance UIDs.")


class Accepted(View):
    """How much of what was asked for will be done."""

    jobs: int = 0
    deliveries: int = 0
    studies: int = 0


class SentView(View):
    """What became of one object for one target; ``reason`` says why it is not sent."""

    sop_uid: str
    target: str
    is_queued: bool
    reason: str


def run_again(request: Request, archive: Archive, study_uid: str, order: RunAgain, now: datetime) -> Accepted:
    """Have models look at a study once more, behind live work.

    Raises:
        NotFoundError: No such study, or no such model is approved.
        StateError: The study is open, in quarantine, or still worked on.
    """
    archive.studies.record(study_uid)
    if order.model and archive.deployments.get(order.model) is None:
        raise NotFoundError(f"model {order.model} was never approved; approve it first, with dicomnode models")
    if not archive.replays.start([study_uid], Replay(order.model, order.silent), now):
        raise StateError(
            f"study {study_uid} cannot run again now: images still arrive, it is in quarantine, or models are at work"
            " on it; wait, or release it"
        )
    which = f"model {order.model}" if order.model else "all models"
    _note(request, archive, "study run again", f"{which}{', silent' if order.silent else ''}", study_uid, now)
    return Accepted(studies=1)


def retry(request: Request, archive: Archive, study_uid: str, order: Retry, now: datetime) -> Accepted:
    """Try again what failed.

    Raises:
        NotFoundError: No such study, job or delivery.
        StateError: The job runs, is done, or was superseded.
    """
    archive.studies.record(study_uid)
    if order.job is None and order.delivery is None:
        done = retry_study(archive, study_uid, now)
    else:
        done = _retry_parts(archive, study_uid, order, now)
    _note(request, archive, "retried", f"{done.jobs} job(s), {done.deliveries} delivery(ies)", study_uid, now)
    return Accepted(jobs=done.jobs, deliveries=done.deliveries)


def send(
    request: Request, archive: Archive, settings: Settings, study_uid: str, order: Send, now: datetime
) -> tuple[SentView, ...]:
    """Queue evidence for targets; what must not be sent is told and left out.

    Raises:
        NotFoundError: No such study, target or object.
    """
    archive.studies.record(study_uid)
    items = _chosen(archive, study_uid, order.evidence)
    sent = [one for target in dict.fromkeys(order.targets) for one in _send_to(archive, settings, target, items, now)]
    for target in dict.fromkeys(order.targets):
        queued = [one for one in sent if one.is_queued and one.target == target]
        detail = f"{len(queued)} of {len(items)} object(s) to {target}, by hand"
        _note(request, archive, "sending asked for", detail, study_uid, now, AuditKind.BEGIN_TRANSFER)
    return tuple(
        SentView(sop_uid=one.sop_instance_uid, target=one.target, is_queued=one.is_queued, reason=one.reason)
        for one in sent
    )


def release_study(request: Request, archive: Archive, study_uid: str, now: datetime) -> Accepted:
    """Give a quarantined study to models again.

    Raises:
        NotFoundError: No such study.
        StateError: It is not in quarantine.
    """
    archive.studies.record(study_uid)
    if not archive.quarantine.release(study_uid, now):
        raise StateError(f"study {study_uid} is not in quarantine")
    _note(request, archive, "quarantine lifted", "models are given it again", study_uid, now)
    return Accepted(studies=1)


def _retry_parts(archive: Archive, study_uid: str, order: Retry, now: datetime) -> Retried:
    jobs = deliveries = 0
    if order.job is not None:
        _check_job(archive, study_uid, order.job)
        jobs = retry_job(archive, order.job, now).jobs
    if order.delivery is not None:
        _check_delivery(archive, study_uid, order.delivery)
        deliveries = archive.deliveries.retry(now, delivery_id=order.delivery)
    return Retried(jobs, deliveries, False)


def _check_job(archive: Archive, study_uid: str, job_id: int) -> None:
    job = archive.jobs.get(job_id)
    if job.study_instance_uid != study_uid:
        raise NotFoundError(f"study {study_uid} has no job {job_id}")
    if job.state not in (JobState.FAILED, JobState.WAITING):
        raise StateError(f"job {job_id} is {job.state}: only failed and waiting jobs can be tried again")


def _check_delivery(archive: Archive, study_uid: str, delivery: int) -> None:
    if delivery not in {item.delivery_id for item in archive.deliveries.list(study_uid)}:
        raise NotFoundError(f"study {study_uid} has no delivery {delivery}")


def _chosen(archive: Archive, study_uid: str, wanted: Sequence[str]) -> list[Evidence]:
    known = {item.sop_instance_uid: item for item in archive.evidence.list(study_uid)}
    missing = [uid for uid in wanted if uid not in known]
    if missing:
        raise NotFoundError(f"study {study_uid} has no evidence object {missing[0]}")
    current = [item.sop_uid for item in evidence_of(archive, study_uid) if item.current and not item.withdrawn]
    chosen = [known[uid] for uid in wanted or current]
    if not chosen:
        raise UsageError(f"study {study_uid} has no evidence that could be sent")
    return chosen


def _send_to(
    archive: Archive, settings: Settings, target: str, items: Sequence[Evidence], now: datetime
) -> list[Sending]:
    from dicomnode.jobs.publishing import takes  # the imports of evidence take longer than the web role may to start

    switches = next((one.send for one in settings.targets if one.name == target), None)
    if switches is None:
        raise NotFoundError(f"there is no target {target}; the settings name: {_names(settings)}")
    wanted = [item for item in items if takes(switches, item.role)]
    declined = [
        Sending(item.sop_instance_uid, target, False, f"the settings of {target} decline documents of this kind")
        for item in items
        if item not in wanted
    ]
    uids = [item.sop_instance_uid for item in wanted]
    asked = archive.sendings.ask(items[0].study_instance_uid, uids, target, now) if uids else ()
    return [*asked, *declined]


def _names(settings: Settings) -> str:
    return ", ".join(one.name for one in settings.targets) or "none"


def _note(
    request: Request,
    archive: Archive,
    event: str,
    detail: str,
    study_uid: str,
    now: datetime,
    kind: AuditKind = AuditKind.OTHER,
) -> None:
    archive.audit.add(event, detail, now, kind=kind, actor=actor_of(request), objects=[study_uid])
