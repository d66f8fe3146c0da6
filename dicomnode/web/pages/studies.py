"""The list of studies: found by UID, accession number or patient ID, and by how they stand. No patient is named."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from dicomnode.archive.study_list import Standing, StudyFilter
from dicomnode.findings import Outcome
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.studies import FilterOf, find_studies
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.frame import PagesOf, who

_PAGE = 50


def add_studies_page(router: APIRouter) -> None:
    """The list."""
    router.add_api_route("/studies", studies_page, methods=["GET"])


def studies_page(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    pages: PagesOf,
    now: NowOf,
    wanted: FilterOf,
    offset: Annotated[int, Query(ge=0, lt=10**9)] = 0,
) -> Response:
    """Studies that fit what was asked for, the latest arrival first."""
    found = find_studies(request, archive, wanted, _PAGE, offset)
    content = who(settings) | {
        "found": found,
        "wanted": wanted,
        "is_filtered": wanted != StudyFilter(),
        "now": now,
        "receive_port": settings.receive.port,
        "standings": list(Standing),
        "outcomes": list(Outcome),
        "modalities": archive.study_list.modalities(),
        "models": [deployment.model_name for deployment in archive.deployments.list()],
        "before": _link(wanted, max(0, offset - _PAGE)) if offset else None,
        "after": _link(wanted, offset + _PAGE) if found.more else None,
    }
    return pages.show(request, "studies.html", content)


def _link(wanted: StudyFilter, offset: int) -> str:
    asked = {
        "q": wanted.search,
        "standing": wanted.standing or "",
        "modality": wanted.modality,
        "model": wanted.model,
        "outcome": wanted.outcome,
        "first": wanted.first_date,
        "last": wanted.last_date,
        "offset": str(offset) if offset else "",
    }
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"/studies?{query}" if query else "/studies"
