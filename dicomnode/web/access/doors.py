"""What every request passes before it reaches a route: the name it asks for, and how often it comes."""

from __future__ import annotations

import time
from http import HTTPStatus
from ipaddress import ip_address

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomnode.settings import WebSettings
from dicomnode.web.access.clients import client_address, client_key
from dicomnode.web.access.throttle import Buckets
from dicomnode.web.problems import problem

_ALWAYS = "/health/live"


class KnownHosts:
    """ASGI middleware that refuses other names than the node's own.

    A site can give its own name the address of a node inside a hospital (DNS rebinding); a browser then takes the node
    for a part of that site, but it asks for that name. Addresses are nobody's name, and pass.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and not self._is_known(Request(scope)):
            refused = problem(
                HTTPStatus.MISDIRECTED_REQUEST, "the node is not known by this name: web.allowed_hosts lists its names"
            )
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_known(self, request: Request) -> bool:
        host = request.headers.get("host", "").lower()
        name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
        return name in self._names or _is_address(name)


class RequestRate:
    """ASGI middleware that tells clients who ask too often to come later."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self._app = app
        self._buckets = Buckets(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it for now; whether the node lives is always told."""
        if scope["type"] == "http" and scope["path"] != _ALWAYS:
            wait = self._buckets.take(client_key(client_address(Request(scope))), time.monotonic())
            if wait:
                headers = {"Retry-After": str(int(wait) + 1)}
                detail = "too many requests of this client (web.requests_per_minute)"
                await problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
