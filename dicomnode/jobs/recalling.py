"""Taking results back: notes for those who have them, silence for those who have not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode import __version__
from dicomnode.archive import Archive
from dicomnode.archive.recalls import REJECTION, WITHDRAWN, Note, Recallable, SentTo
from dicomnode.archive.records import NewEvidence
from dicomnode.dicom.header import read_header
from dicomnode.errors import DicomNodeError, GateError, InputError, describe
from dicomnode.evidence import EvidenceObject, NodeIdentity, check, evidence_series_uid, to_bytes
from dicomnode.evidence.gate.subject import SR_CLASSES
from dicomnode.evidence.identity import role_of
from dicomnode.evidence.rejection import rejection_note
from dicomnode.evidence.withdrawal import withdrawn_report
from dicomnode.evidence.withdrawn import Cause, Withdrawal
from dicomnode.settings import Settings, TargetSettings
from dicomnode.study import SourceReference

_REPORTS = ("answer", "text", "lesions", "attention")


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """Which results are taken back, and why.

    Attributes:
        model_name: Whose.
        first: Made at this time or later.
        last: And before this.
        reason: One line, without names or IDs of patients; may be empty.
        cause: Quality or safety; chooses the title of rejection notes.
    """

    model_name: str
    first: datetime
    last: datetime
    reason: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class RecallReport:
    """What a recall did, or would do.

    Attributes:
        studies: Studies with a result that is withdrawn.
        objects: Evidence objects withdrawn.
        sent: Deliveries of them that had happened.
        cancelled: Deliveries that will not happen any more.
        notes: Deliveries of notes that were queued.
        problems: One line for each study that could not be done; asking again tries those again.
    """

    studies: int
    objects: int
    sent: int
    cancelled: int
    notes: int
    problems: tuple[str, ...] = ()


TakesNote = Callable[[TargetSettings], bool]


@dataclass(frozen=True, slots=True)
class _Desk:
    archive: Archive
    request: RecallRequest
    node: NodeIdentity
    rejecting: frozenset[str]
    superseding: frozenset[str]
    now: datetime

    def withdrawal(self, objects: Iterable[SentTo]) -> Withdrawal:
        """The same result as a target has it."""
        named = {item.sop_instance_uid: item for item in objects}
        referenced = tuple(_sent_object(item) for _, item in sorted(named.items()))
        request = self.request
        return Withdrawal(request.model_name, referenced, request.reason, request.cause, self.now, self.node)


def recall(
    archive: Archive, settings: Settings, request: RecallRequest, takes_note: TakesNote, now: datetime
) -> RecallReport:
    """Withdraw results; asking again withdraws nothing twice.

    Args:
        archive: Holds the results.
        settings: For the targets and the node's name.
        request: Which, and why.
        takes_note: Whether a target accepts Key Object Selection documents; asked once for each that may get one.
        now: When this is asked for.
    """
    found = archive.recalls.candidates(request.model_name, request.first, request.last)
    if not found:
        return RecallReport(0, 0, 0, 0, 0)
    desk = _desk(archive, settings, request, takes_note, now)
    number = archive.recalls.begin(request.model_name, request.first, request.last, request.reason, now)
    reports = [_recall_study(desk, number, study, items) for study, items in found.items()]
    return _sum(reports)


def foresee(archive: Archive, request: RecallRequest) -> RecallReport:
    """What `recall` would do; writes nothing."""
    found = archive.recalls.candidates(request.model_name, request.first, request.last)
    uids = [item.sop_instance_uid for items in found.values() for item in items]
    return RecallReport(len(found), len(uids), len(archive.recalls.sent(uids)), archive.recalls.unsent(uids), 0)


def _desk(archive: Archive, settings: Settings, request: RecallRequest, takes_note: TakesNote, now: datetime) -> _Desk:
    only = {target.name for target in settings.targets if target.rejection_note == "only"}
    also = {target.name for target in settings.targets if target.rejection_note == "also" and takes_note(target)}
    superseding = {target.name for target in settings.targets} - only
    node = NodeIdentity(settings.node.ae_title, __version__)
    return _Desk(archive, request, node, frozenset(only | also), frozenset(superseding), now)


def _recall_study(desk: _Desk, number: int, study: str, items: Sequence[Recallable]) -> RecallReport:
    sent = desk.archive.recalls.sent([item.sop_instance_uid for item in items])
    try:
        notes = [*_rejections(desk, items, sent), *_withdrawn_reports(desk, items, sent)]
        done = desk.archive.recalls.withdraw(number, study, items, notes, desk.now)
    except (DicomNodeError, OSError) as error:
        return RecallReport(0, 0, 0, 0, 0, (f"study {study}: {describe(error)}",))
    if done is None:
        return RecallReport(0, 0, 0, 0, 0, (f"study {study}: somebody else recalls it just now",))
    return RecallReport(1, done.objects, len(sent), done.cancelled, done.queued)


def _rejections(desk: _Desk, items: Sequence[Recallable], sent: Sequence[SentTo]) -> Iterator[Note]:
    """One note for all targets that have the same objects."""
    groups: dict[frozenset[str], list[str]] = {}
    for target in sorted({item.target for item in sent} & desk.rejecting):
        held = frozenset(item.sop_instance_uid for item in sent if item.target == target)
        groups.setdefault(held, []).append(target)
    if not groups:
        return
    # Whose study it is, a report tells as it was sent: it may have been corrected on the way
    reports = [one.path for one in sent if one.sop_class_uid in SR_CLASSES]
    reports += [item.path for item in items if role_of(item.kind) in _REPORTS]
    if not reports:
        raise InputError("the result has no report that tells whose it is")
    report = _read(reports[0])
    series = evidence_series_uid(str(report.StudyInstanceUID), desk.request.model_name, REJECTION)
    first = desk.archive.recalls.next_number(series)
    for number, (held, targets) in enumerate(sorted(groups.items(), key=lambda group: group[1]), first):
        withdrawal = desk.withdrawal(item for item in sent if item.sop_instance_uid in held)
        yield _note(desk, rejection_note(withdrawal, report, number), REJECTION, targets)


def _withdrawn_reports(desk: _Desk, items: Sequence[Recallable], sent: Sequence[SentTo]) -> Iterator[Note]:
    """One for each report that a target shows as the newest of its series, be it the node's or a substitute of it."""
    current = {item.sop_instance_uid: item.kind for item in items if item.is_current and role_of(item.kind) in _REPORTS}
    having: dict[str, list[SentTo]] = {}
    for one in sent:
        if one.target in desk.superseding and one.original in current and one.sop_class_uid in SR_CLASSES:
            having.setdefault(one.sop_instance_uid, []).append(one)
    for held in having.values():
        kind, targets = current[held[0].original], [one.target for one in held]
        role = role_of(kind)
        if role is not None:
            withdrawal = desk.withdrawal(one for one in sent if one.target in targets)
            report = withdrawn_report(withdrawal, _read(held[0].path), role)
            yield _note(desk, report, WITHDRAWN + kind, targets)


def _note(desk: _Desk, made: EvidenceObject, kind: str, targets: Sequence[str]) -> Note:
    problems = check(made.dataset, None, lambda _: True)  # what it cites was read from the index
    if problems:
        raise GateError(problems)
    path = desk.archive.evidence.write_file(to_bytes(made.dataset), made.sop_instance_uid)
    evidence = NewEvidence(
        made.sop_instance_uid,
        str(made.dataset.SOPClassUID),
        made.series_instance_uid,
        str(made.dataset.StudyInstanceUID),
        desk.request.model_name,
        kind,
        path,
        made.instance_number,
    )
    return Note(evidence, tuple(targets))


def _read(path: Path) -> Dataset:
    try:
        return dcmread(path)
    except Exception as error:
        raise InputError(f"a document of the result cannot be read ({describe(error)})") from error


def _sent_object(item: SentTo) -> SourceReference:
    return SourceReference(item.sop_class_uid, item.sop_instance_uid, read_header(item.path).series_instance_uid)


def _sum(reports: Sequence[RecallReport]) -> RecallReport:
    return RecallReport(
        sum(report.studies for report in reports),
        sum(report.objects for report in reports),
        sum(report.sent for report in reports),
        sum(report.cancelled for report in reports),
        sum(report.notes for report in reports),
        tuple(problem for report in reports for problem in report.problems),
    )
