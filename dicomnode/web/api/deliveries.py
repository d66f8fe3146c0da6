"""Deliveries for programs: what the targets got, refused and why, and trying again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Delivery, DeliveryState, ProofState
from dicomnode.web.access.guard import NowOf
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf

DeliveryId = Annotated[int, Path(ge=0, lt=2**31, description="Number of the delivery.")]
Before = Annotated[int | None, Query(ge=0, lt=2**31, description="Only those with a lower number: the next page.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]


class DeliveryBody(BaseModel):
    """An evidence object on its way to a target.

    Attributes:
        role: Which document it is.
        status: What the target said last, as a DIMSE status or an HTTP status.
        answer: More of what it said.
        proof: Whether the target was shown to have it, and ``proof_status`` how.
        sent_sop_instance_uid: What was sent in its place, if it was not the object itself.
        next_attempt_at: While it waits.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    delivery_id: int
    study_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    sent_sop_instance_uid: str | None
    role: str
    model_name: str
    target: str
    state: DeliveryState
    status: str
    answer: str
    attempts: int
    updated_at: datetime
    next_attempt_at: datetime | None
    sent_at: datetime | None
    proof: ProofState
    proof_status: str


class DeliveryList(BaseModel):
    """A page of deliveries, newest first; ``before`` asks for the next one, and is null on the last."""

    model_config = ConfigDict(frozen=True)

    deliveries: tuple[DeliveryBody, ...]
    before: int | None


def add_delivery_api(router: APIRouter) -> None:
    """What the targets got, and trying again."""
    router.add_api_route("/api/v1/deliveries", list_deliveries, methods=["GET"], response_model=DeliveryList)
    router.add_api_route(
        "/api/v1/deliveries/{delivery_id}/retry", retry_delivery, methods=["POST"], response_model=DeliveryBody
    )
    router.add_api_route(
        "/api/v1/deliveries/{delivery_id}/release", release_delivery, methods=["POST"], response_model=DeliveryBody
    )


def list_deliveries(
    archive: ArchiveOf,
    state: Annotated[list[DeliveryState] | None, Query(description="Only those in these states.")] = None,
    target: Annotated[str | None, Query(max_length=64, description="Only those to this target.")] = None,
    before: Before = None,
    limit: Limit = 100,
) -> DeliveryList:
    """Deliveries, newest first."""
    return newest_deliveries(archive, state or tuple(DeliveryState), limit, before, target)


def newest_deliveries(
    archive: Archive, states: Sequence[DeliveryState], limit: int, before: int | None = None, target: str | None = None
) -> DeliveryList:
    """A page of deliveries in some states."""
    found = archive.deliveries.newest(states, limit + 1, before=before, target=target)
    page = tuple(_body(item) for item in found[:limit])
    return DeliveryList(deliveries=page, before=page[-1].delivery_id if len(found) > limit else None)


def retry_delivery(request: Request, archive: ArchiveOf, now: NowOf, delivery_id: DeliveryId) -> DeliveryBody:
    """Have a delivery tried again at once; identity is asked anew too."""
    archive.deliveries.retry(now, delivery_id=delivery_id, actor=actor_of(request))
    return _body(archive.deliveries.get(delivery_id))


def release_delivery(request: Request, archive: ArchiveOf, now: NowOf, delivery_id: DeliveryId) -> DeliveryBody:
    """Have a held delivery sent as it is, whatever identity the PACS tells."""
    archive.deliveries.release(delivery_id, now, actor_of(request))
    return _body(archive.deliveries.get(delivery_id))


def _body(delivery: Delivery) -> DeliveryBody:
    body = DeliveryBody.model_validate(delivery)
    return body if body.state is DeliveryState.WAITING else body.model_copy(update={"next_attempt_at": None})
