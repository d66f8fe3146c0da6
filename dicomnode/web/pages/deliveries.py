"""The page of deliveries: what the targets refused and why, with a button to try again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.requests import Request
from fastapi.responses import RedirectResponse, Response

from dicomnode.archive.records import Delivery, DeliveryState
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.frame import PagesOf, who

_MOST = 200
_SHOWN = (DeliveryState.REFUSED, DeliveryState.HELD, DeliveryState.WAITING, DeliveryState.SENDING)


def add_delivery_routes(router: APIRouter) -> None:
    """Deliveries that need attention, and what can be done about them."""
    router.add_api_route("/deliveries", deliveries_page, methods=["GET"])
    router.add_api_route("/deliveries/{delivery_id}/retry", retry, methods=["POST"])


def deliveries_page(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    pages: PagesOf,
    state: Annotated[DeliveryState | None, Query()] = None,
) -> Response:
    """Deliveries in one state, or all that did not arrive."""
    states = _SHOWN if state is None else (state,)
    found: list[Delivery] = [row for one in states for row in archive.deliveries.list(state=one, limit=_MOST)]
    content = who(settings) | {"deliveries": found, "states": list(DeliveryState), "chosen": state}
    return pages.show(request, "deliveries.html", content)


def retry(archive: ArchiveOf, delivery_id: Annotated[int, Path(ge=0, lt=2**31)]) -> Response:
    """Have a delivery tried again at once; identity is asked anew too."""
    archive.deliveries.retry(datetime.now(UTC), delivery_id=delivery_id)
    return RedirectResponse("/deliveries", status_code=303)
