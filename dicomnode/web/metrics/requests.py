"""Counts the requests of this process, by route: paths themselves hold UIDs, and would be without number."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomnode.web.metrics.catalogue import NAMED

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_NOWHERE = "none"


class RequestFigures:
    """The counters, in a registry of one application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counted, timed = NAMED["dicomnode_http_requests_total"], NAMED["dicomnode_http_request_seconds"]
        self._counted = Counter(counted.name, counted.text, counted.labels, registry=registry)
        self._timed = Histogram(timed.name, timed.text, timed.labels, registry=registry, buckets=_BOUNDS)

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._counted.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._timed.labels(route).observe(seconds)


class CountRequests:
    """ASGI middleware, the outermost: what other middleware refuses counts too."""

    def __init__(self, app: ASGIApp, figures: RequestFigures) -> None:
        self._app = app
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            self._figures.add(scope["method"], _route(scope), status, time.monotonic() - began)


def _route(scope: Scope) -> str:
    """The route with its parameters in braces; one word for all that no route was found for."""
    return str(getattr(scope.get("route"), "path", _NOWHERE))
