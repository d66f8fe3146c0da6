"""Alarms about the work: studies and jobs that do not move, jobs that failed, deliveries that do not arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.archive.attention import Group
from dicomnode.archive.records import DeliveryState
from dicomnode.settings import Settings
from dicomnode.watch.alarm import Alarm, AlarmKind
from dicomnode.words import marked

_MOST = 20
_RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Wording:
    """What is said of a group of deliveries."""

    kind: AlarmKind
    sentence: str
    remedy: str


def work_alarms(archive: Archive, settings: Settings, now: datetime) -> Iterator[Alarm]:
    """What an administrator should look at in the node's work, from the index."""
    yield from _deliveries(archive, settings)
    yield from _stuck(archive, settings, now)
    for group in archive.attention.failed_jobs(now - _RECENT):
        sentence = marked("Jobs of %(model)s that failed within a day: %(count)s.")
        remedy = marked("The study's page says why; `dicomnode retry job NUMBER` tries one again.")
        yield _of_group(AlarmKind.JOBS_FAILED, group, sentence, remedy, "model")
    yield from _set_aside(archive)


def _deliveries(archive: Archive, settings: Settings) -> Iterator[Alarm]:
    known = {target.name for target in settings.targets}
    for (target, state), count in archive.deliveries.counts().items():
        if target not in known and state is DeliveryState.WAITING:
            sentence = marked("Deliveries to %(target)s wait, and no such target is set: %(count)s.")
            remedy = marked("Name it in [[targets]] again.")
            yield _of_group(AlarmKind.DELIVERIES_NOWHERE, Group(target, count, None), sentence, remedy, "target")
    for state, groups in archive.attention.troubled_deliveries().items():
        wording = _wording(state)
        for group in groups:
            if group.name in known:
                yield _of_group(wording.kind, group, wording.sentence, wording.remedy, "target")


def _wording(state: DeliveryState) -> _Wording:
    if state is DeliveryState.REFUSED:
        sentence = marked("Deliveries that %(target)s refused for good: %(count)s.")
        remedy = marked("Mend there what it complains of, then retry them on the page of deliveries.")
        return _Wording(AlarmKind.DELIVERIES_REFUSED, sentence, remedy)
    if state is DeliveryState.HELD:
        sentence = marked("Deliveries to %(target)s held because the PACS tells another patient: %(count)s.")
        remedy = marked("Find out whose study it is, then retry or release them.")
        return _Wording(AlarmKind.DELIVERIES_HELD, sentence, remedy)
    sentence = marked("Deliveries that %(target)s has not taken yet: %(count)s.")
    remedy = marked("Check that it runs; they are tried again without end.")
    return _Wording(AlarmKind.DELIVERIES_WAIT, sentence, remedy)


def _of_group(kind: AlarmKind, group: Group, sentence: str, remedy: str, named: str) -> Alarm:
    fields: dict[str, str | int] = {named: group.name, "count": group.count}
    return Alarm(kind, group.name, group.since, sentence, remedy, fields, group.detail, grave=True)


def _stuck(archive: Archive, settings: Settings, now: datetime) -> Iterator[Alarm]:
    patience = timedelta(minutes=settings.watch.stuck_minutes)
    opened = now - patience - timedelta(seconds=settings.completion.deadline_seconds)
    remedy = marked("See whether the roles dispatch and infer run, and what the log says.")
    for stuck in archive.attention.stuck_studies(opened, now - patience, _MOST):
        sentence = marked("Study %(study)s does not move; since %(minutes)s minutes.")
        fields: dict[str, str | int] = {"study": stuck.study_instance_uid, "minutes": _minutes(now - stuck.since)}
        subject = stuck.study_instance_uid
        yield Alarm(AlarmKind.STUDY_STUCK, subject, stuck.since, sentence, remedy, fields, grave=True)
    for stuck in archive.attention.stuck_jobs(now - patience, _MOST):
        sentence = marked("Job %(job)s of %(model)s waits for a worker; since %(minutes)s minutes.")
        fields = {"job": stuck.job_id or 0, "model": stuck.model_name, "minutes": _minutes(now - stuck.since)}
        fields["study"] = stuck.study_instance_uid
        yield Alarm(AlarmKind.JOB_STUCK, str(stuck.job_id), stuck.since, sentence, remedy, fields, grave=True)


def _minutes(time: timedelta) -> int:
    return int(time.total_seconds() // 60)


def _set_aside(archive: Archive) -> Iterator[Alarm]:
    quarantined, doubtful, kept_back = archive.attention.set_aside()
    if quarantined:
        sentence = marked("Studies that no model is given any more, because they stopped its worker: %(count)s.")
        remedy = marked("`dicomnode status` names them; `dicomnode retry study UID` releases one.")
        yield _counted(AlarmKind.QUARANTINED, quarantined, sentence, remedy)
    if doubtful:
        sentence = marked("Studies whose images name different patients: %(count)s.")
        remedy = marked("No model runs on them until `dicomnode identity settle` says whose they are.")
        yield _counted(AlarmKind.IDENTITY, doubtful, sentence, remedy)
    if kept_back:
        sentence = marked("Evidence objects that failed the gate and are kept back: %(count)s.")
        remedy = marked("The traces of their studies say why.")
        yield _counted(AlarmKind.KEPT_BACK, kept_back, sentence, remedy)


def _counted(kind: AlarmKind, count: int, sentence: str, remedy: str) -> Alarm:
    return Alarm(kind, "", None, sentence, remedy, {"count": count})
