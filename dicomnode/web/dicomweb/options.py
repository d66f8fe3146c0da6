"""Which methods a resource has (RFC 9110 9.3.7, PS3.18 8.1.2.4). Other sites' browsers are allowed nothing by it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from dicomnode.web.dicomweb.addresses import SERVICE


def add_options_routes(router: APIRouter) -> None:
    """OPTIONS for every DICOMweb resource; to be called behind those that add them."""
    for path in sorted(_methods(router)):
        router.add_api_route(path, options, methods=["OPTIONS"])


def options(request: Request) -> Response:
    """The methods of the resource, as an Allow header."""
    path = request.scope["route"].path
    return Response(status_code=204, headers={"Allow": ", ".join(sorted(_methods(request.app.router)[path]))})


def _methods(router: APIRouter) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for route in router.routes:
        if isinstance(route, APIRoute) and route.path.startswith(SERVICE):
            found.setdefault(route.path, set()).update(route.methods or ())
    return found
