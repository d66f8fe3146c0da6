"""The page of deliveries: what the targets refused and why, with buttons to try again."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.requests import Request
from fastapi.responses import RedirectResponse, Response

from dicomnode.archive.records import DeliveryState
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.deliveries import Before, DeliveryId, newest_deliveries, release_delivery, retry_delivery
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.frame import PagesOf, who

_AT_ONCE = 100
_NOT_ARRIVED = (DeliveryState.REFUSED, DeliveryState.HELD, DeliveryState.WAITING, DeliveryState.SENDING)


def add_delivery_routes(router: APIRouter) -> None:
    """Deliveries that need attention, and what can be done about them."""
    router.add_api_route("/deliveries", deliveries_page, methods=["GET"])
    router.add_api_route("/deliveries/{delivery_id}/retry", retry, methods=["POST"])
    router.add_api_route("/deliveries/{delivery_id}/release", release, methods=["POST"])


def deliveries_page(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    pages: PagesOf,
    state: Annotated[DeliveryState | None, Query()] = None,
    target: Annotated[str, Query(max_length=64)] = "",
    before: Before = None,
) -> Response:
    """Deliveries in one state, or all that did not arrive."""
    states = _NOT_ARRIVED if state is None else (state,)
    found = newest_deliveries(archive, states, _AT_ONCE, before, target or None)
    counts = archive.deliveries.counts()
    content = who(settings) | {
        "deliveries": found.deliveries,
        "states": [(one, sum(n for (_, held), n in counts.items() if held is one)) for one in DeliveryState],
        "chosen": state,
        "target": target,
        "targets": sorted({name for name, _ in counts}),
        "newer": _address(state, target, None) if before is not None else None,
        "older": _address(state, target, found.before) if found.before is not None else None,
    }
    return pages.show(request, "deliveries.html", content)


def retry(request: Request, archive: ArchiveOf, now: NowOf, delivery_id: DeliveryId) -> Response:
    """Have a delivery tried again at once; identity is asked anew too."""
    retry_delivery(request, archive, now, delivery_id)
    return RedirectResponse("/deliveries", status_code=303)


def release(request: Request, archive: ArchiveOf, now: NowOf, delivery_id: DeliveryId) -> Response:
    """Have a held delivery sent as it is, whatever identity the PACS tells."""
    release_delivery(request, archive, now, delivery_id)
    return RedirectResponse("/deliveries", status_code=303)


def _address(state: DeliveryState | None, target: str, before: int | None) -> str:
    asked = {"state": state, "target": target, "before": before}
    query = urlencode({key: value for key, value in asked.items() if value not in (None, "")})
    return f"/deliveries?{query}" if query else "/deliveries"
