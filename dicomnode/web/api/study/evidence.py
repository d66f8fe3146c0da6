"""Evidence objects of a study with their deliveries: where each stands, what the target said, how sure that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Delivery, DeliveryState, Evidence, EvidenceState
from dicomnode.dicom.kinds import sop_class_name
from dicomnode.web.api.views import View

_MAY_BE_RETRIED = (DeliveryState.REFUSED, DeliveryState.HELD, DeliveryState.WAITING)


class SubstituteView(View):
    """What was sent in place of an object, and why."""

    sop_uid: str
    sop_class: str
    form: str
    reason: str


class DeliveryView(View):
    """An object on its way to a target; ``proof`` tells how sure it is that the target has it."""

    delivery: int
    target: str
    state: str
    status: str
    answer: str
    attempts: int
    next_attempt_at: datetime
    updated_at: datetime
    sent_at: datetime | None
    proof: str
    proof_status: str
    released: bool
    substitute: SubstituteView | None
    may_be_retried: bool
    may_be_released: bool


class EvidenceView(View):
    """An evidence object; ``state`` is the gate's word on it and ``reason`` its notes.

    ``current``: the newest of its series, which viewers show. ``address`` is its file, ``contents`` what it says.
    """

    sop_uid: str
    sop_class_uid: str
    sop_class: str
    series_uid: str
    model: str
    role: str
    number: int
    state: str
    reason: str
    withdrawn: bool
    current: bool
    result: int
    created: datetime
    address: str
    contents: str
    deliveries: tuple[DeliveryView, ...]


def evidence_of(archive: Archive, study_uid: str) -> tuple[EvidenceView, ...]:
    """The evidence objects of a study by model, role and number."""
    deliveries = defaultdict(list)
    for delivery in archive.deliveries.list(study_uid):
        deliveries[delivery.sop_instance_uid].append(_delivery(archive, delivery))
    items = archive.evidence.list(study_uid)
    newest = _newest(items)
    return tuple(_evidence(item, newest, tuple(deliveries[item.sop_instance_uid])) for item in items)


def _newest(items: Iterable[Evidence]) -> Mapping[str, int]:
    """Highest Instance Number by series, of what passed the gate."""
    found: dict[str, int] = {}
    for item in items:
        if item.state is EvidenceState.READY:
            found[item.series_instance_uid] = max(found.get(item.series_instance_uid, 0), item.instance_number)
    return found


def _evidence(item: Evidence, newest: Mapping[str, int], deliveries: tuple[DeliveryView, ...]) -> EvidenceView:
    return EvidenceView(
        sop_uid=item.sop_instance_uid,
        sop_class_uid=item.sop_class_uid,
        sop_class=sop_class_name(item.sop_class_uid),
        series_uid=item.series_instance_uid,
        model=item.model_name,
        role=item.role,
        number=item.instance_number,
        state=item.state,
        reason=item.reason,
        withdrawn=item.recall_id is not None,
        current=item.state is EvidenceState.READY and newest[item.series_instance_uid] == item.instance_number,
        result=item.job_id,
        created=item.created,
        address=f"/evidence/{item.sop_instance_uid}.dcm",
        contents=f"/api/v1/studies/{item.study_instance_uid}/evidence/{item.sop_instance_uid}/tree",
        deliveries=deliveries,
    )


def _delivery(archive: Archive, item: Delivery) -> DeliveryView:
    return DeliveryView(
        delivery=item.delivery_id,
        target=item.target,
        state=item.state,
        status=item.status,
        answer=item.answer,
        attempts=item.attempts,
        next_attempt_at=item.next_attempt_at,
        updated_at=item.updated_at,
        sent_at=item.sent_at,
        proof=item.proof,
        proof_status=item.proof_status,
        released=item.released,
        substitute=_substitute(archive, item.sent_sop_instance_uid),
        may_be_retried=item.state in _MAY_BE_RETRIED,
        may_be_released=item.state is DeliveryState.HELD,
    )


def _substitute(archive: Archive, sop_uid: str | None) -> SubstituteView | None:
    found = None if sop_uid is None else archive.substitutes.get(sop_uid)
    if found is None:
        return None
    return SubstituteView(
        sop_uid=found.sop_instance_uid,
        sop_class=sop_class_name(found.sop_class_uid),
        form=found.form,
        reason=found.reason,
    )
