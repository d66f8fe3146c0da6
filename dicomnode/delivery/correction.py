"""Writing an object anew under the identity that the PACS tells, and giving it the old one's turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.archive import Archive
from dicomnode.archive.records import Delivery, DeliveryState, Evidence, EvidenceState, NewEvidence
from dicomnode.errors import GateError, NotFoundError
from dicomnode.evidence import PreviousEvidence, to_bytes
from dicomnode.evidence.correcting import StudyIdentity, corrected, corrected_uid, give_identity

_ARRIVED = (DeliveryState.DELIVERED, DeliveryState.WARNING)


class Corrector:
    """Replaces deliveries; the same correction asked for again gives the same object."""

    def __init__(self, archive: Archive, owner: str, clock: Callable[[], datetime]) -> None:
        """Prepare for deliveries that `owner` holds leases of."""
        self._archive = archive
        self._owner = owner
        self._clock = clock

    def replace(self, delivery: Delivery, identity: StudyIdentity, reason: str) -> None:
        """Queue the object under another identity, instead of as it is.

        Raises:
            GateError: The corrected object fails the gate.
            NotFoundError: The archive lost the object.
        """
        old = self._archive.evidence.get(delivery.sop_instance_uid)
        if old is None:
            raise NotFoundError(f"evidence object {delivery.sop_instance_uid} is not in the archive")
        newest = self._archive.evidence.previous(old.series_instance_uid) or old
        current = PreviousEvidence(newest.sop_instance_uid, newest.sop_class_uid, newest.instance_number)
        uid = corrected_uid(old.sop_instance_uid, identity)
        known = self._archive.evidence.get(uid)
        queued = {item.sop_instance_uid: item.state for item in self._queued(delivery)}
        new, status = None, f"{reason}; a newer object of its series takes its place"
        if (
            known is not None
            or current.instance_number <= old.instance_number
            or current.sop_instance_uid not in queued
        ):
            arrived = {name for name, state in queued.items() if state in _ARRIVED}
            new = self._written(old, current, arrived, identity) if known is None else _again(known)
            status = f"{reason}; followed as object {uid}"
        self._archive.corrections.replace(delivery.delivery_id, self._owner, new, status, self._clock())

    def _queued(self, delivery: Delivery) -> list[Delivery]:
        listed = self._archive.deliveries.list(delivery.study_instance_uid)
        return [item for item in listed if item.target == delivery.target]

    def _written(
        self, old: Evidence, current: PreviousEvidence, arrived: set[str], identity: StudyIdentity
    ) -> NewEvidence:
        result = self._result(old, arrived)
        renamed = {item.sop_instance_uid: corrected_uid(item.sop_instance_uid, identity) for item in result}
        dataset = _corrected(old, current, identity, renamed)
        companions = [_corrected(item, None, identity, renamed) for item in _companions(result, old, renamed)]
        problems = self._problems(dataset, old.study_instance_uid, identity, companions)
        if problems:
            raise GateError(problems)
        uid = str(dataset.SOPInstanceUID)
        path = self._archive.evidence.write_file(to_bytes(dataset), uid)
        return _new(old, uid, path, int(dataset.InstanceNumber))

    def _result(self, old: Evidence, arrived: set[str]) -> list[Evidence]:
        """The objects of the same result; those that arrived stay what they are."""
        return [
            item
            for item in self._archive.evidence.list(old.study_instance_uid)
            if item.job_id == old.job_id and item.state is EvidenceState.READY and item.sop_instance_uid not in arrived
        ]

    def _problems(
        self, dataset: Dataset, study_instance_uid: str, identity: StudyIdentity, companions: list[Dataset]
    ) -> tuple[str, ...]:
        from dicomnode.evidence import check  # takes in highdicom, and identities seldom change

        study = self._archive.studies.get(study_instance_uid)
        paths = [instance.path for series in study.series for instance in series.instances]
        headers = [dcmread(path, stop_before_pixels=True, force=True) for path in paths]
        for header in headers:
            give_identity(header, identity)
        known = {str(header.get("SOPInstanceUID", "")) for header in headers}
        return check(dataset, headers, known.__contains__, companions)


def _companions(result: Sequence[Evidence], old: Evidence, renamed: Mapping[str, str]) -> Iterable[Evidence]:
    """The newest object of every other series, before this correction."""
    before = [item for item in result if item.sop_instance_uid not in renamed.values()]
    newest = {item.series_instance_uid: item for item in sorted(before, key=lambda item: item.instance_number)}
    return [item for series, item in newest.items() if series != old.series_instance_uid]


def _corrected(
    item: Evidence, current: PreviousEvidence | None, identity: StudyIdentity, renamed: Mapping[str, str]
) -> Dataset:
    before = current or PreviousEvidence(item.sop_instance_uid, item.sop_class_uid, item.instance_number)
    return corrected(dcmread(item.path), identity, before, renamed)


def _new(old: Evidence, uid: str, path: Path, instance_number: int) -> NewEvidence:
    return NewEvidence(
        uid,
        old.sop_class_uid,
        old.series_instance_uid,
        old.study_instance_uid,
        old.model_name,
        old.role,
        path,
        instance_number,
    )


def _again(known: Evidence) -> NewEvidence:
    return _new(known, known.sop_instance_uid, known.path, known.instance_number)
