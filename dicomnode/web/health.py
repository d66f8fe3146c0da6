"""Whether the node lives, and whether what it depends on is there."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from dicomnode.watch.dependencies import Check, check_dependencies, check_surroundings
from dicomnode.web.access.guard import NowOf, PrincipalOf
from dicomnode.web.access.rights import Right
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf


def add_health_routes(router: APIRouter) -> None:
    """For a load balancer or a container engine."""
    router.add_api_route("/health/live", live, methods=["GET"])
    router.add_api_route("/health/ready", ready, methods=["GET"])


async def live() -> Response:
    """This process answers; nothing else is looked at."""
    return JSONResponse({"status": "ok"})


def ready(
    archive: ArchiveOf,
    settings: SettingsOf,
    principal: PrincipalOf,
    now: NowOf,
    verbose: Annotated[str | None, Query()] = None,
) -> Response:
    """503 while something is not there that the node needs; who may read is told what of all is not as it should be."""
    checks = check_dependencies(archive, settings)
    good = not any(check.problem for check in checks)
    content: dict[str, object] = {"status": "ok" if good else "not ready"}
    if principal.may(Right.READ):
        checks += check_surroundings(archive, settings, now)
        if good and any(check.problem for check in checks):
            content["status"] = "degraded"
        content["checks"] = _told(checks, verbose is not None)
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(content, status, {"Cache-Control": "no-store"})


def _told(checks: Sequence[Check], verbose: bool) -> dict[str, dict[str, object]]:
    return {check.name: _short(check) | (_long(check) if verbose else {}) for check in checks}


def _short(check: Check) -> dict[str, object]:
    return {"status": "failed" if check.problem else "ok", "problem": check.problem}


def _long(check: Check) -> dict[str, object]:
    at = None if check.at is None else check.at.isoformat(timespec="seconds")
    return {"required": check.required, "found": check.found, "at": at}
