"""Whether the node lives, and whether what it depends on is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from dicomnode.archive.archive import Archive
from dicomnode.errors import DicomNodeError, describe
from dicomnode.settings import Settings
from dicomnode.web.access.guard import PrincipalOf
from dicomnode.web.access.rights import Right
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency and how it stands.

    Attributes:
        name: Of the dependency.
        problem: What is wrong and what to do, empty if nothing is.
    """

    name: str
    problem: str


def add_health_routes(router: APIRouter) -> None:
    """For a load balancer or a container engine."""
    router.add_api_route("/health/live", live, methods=["GET"])
    router.add_api_route("/health/ready", ready, methods=["GET"])


async def live() -> Response:
    """This process answers; nothing else is looked at."""
    return JSONResponse({"status": "ok"})


def ready(archive: ArchiveOf, settings: SettingsOf, principal: PrincipalOf) -> Response:
    """503 while something is not there; who may read is told what."""
    checks = check_dependencies(archive, settings)
    good = not any(check.problem for check in checks)
    content: dict[str, object] = {"status": "ok" if good else "not ready"}
    if principal.may(Right.READ):
        content["checks"] = {
            check.name: {"status": "failed" if check.problem else "ok", "problem": check.problem} for check in checks
        }
    return JSONResponse(content, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)


def check_dependencies(archive: Archive, settings: Settings) -> tuple[Check, ...]:
    """Look at everything that the node cannot work without."""
    return (
        Check("index", _attempt(lambda: _index(archive))),
        Check("storage", _attempt(lambda: _storage(archive, settings))),
        Check("models", _attempt(lambda: _models(settings))),
    )


def _word(check: Check) -> str:
    return "failed" if check.problem else "ok"


def _attempt(look: Callable[[], str]) -> str:
    try:
        return look()
    except (DicomNodeError, OSError) as error:
        return describe(error)


def _index(archive: Archive) -> str:
    archive.studies.counts()
    return ""


def _storage(archive: Archive, settings: Settings) -> str:
    folder = settings.node.data_dir
    if not os.access(folder, os.W_OK):
        return "the data folder cannot be written: check that it exists and who owns it"
    return archive.space.look().refusal


def _models(settings: Settings) -> str:
    folder = settings.models.folder
    return "" if folder.is_dir() else "the models folder does not exist: set models.folder"
