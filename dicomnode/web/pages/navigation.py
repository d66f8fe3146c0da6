"""The way round the pages: which there are, which of them the reader may see, and which one this is."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from dicomnode.web.access.principal import Principal
from dicomnode.web.access.rights import ROUTES, Right
from dicomnode.web.languages import marked

_PAGES = (
    ("/", marked("Overview")),
    ("/studies", marked("Studies")),
    ("/models", marked("Models")),
    ("/peers", marked("Peers and rules")),
    ("/predict", marked("Predict")),
    ("/deliveries", marked("Deliveries")),
    ("/reports", marked("Reports")),
    ("/audit", marked("Audit")),
    ("/accounts", marked("Accounts")),
    ("/settings", marked("Settings")),
)


@dataclass(frozen=True, slots=True)
class Way:
    """A link of the navigation.

    Attributes:
        title: In English, to be translated.
        here: Whether the page that is shown is this one or below it.
        is_administration: Whether only administrators see it.
    """

    path: str
    title: str
    here: bool
    is_administration: bool


def ways_of(request: Request, principal: Principal | None) -> list[Way]:
    """The pages that this application has and the reader may see."""
    if principal is None:
        return []
    served = {getattr(route, "path", "") for route in request.app.routes}
    ways = []
    for path, title in _PAGES:
        right = ROUTES.get(("GET", path))
        if path in served and right is not None and principal.may(right):
            ways.append(Way(path, title, _is_here(request.url.path, path), right is Right.ADMINISTER))
    return ways


def _is_here(asked: str, path: str) -> bool:
    return asked == path or (path != "/" and asked.startswith(f"{path}/"))
