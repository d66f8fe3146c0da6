"""The page of the audit trail, for administrators."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from dicomnode.dicom.audit import AuditKind
from dicomnode.web.api.audit import Before, Words, newest_entries
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.frame import PagesOf, who

_AT_ONCE = 200


def add_audit_route(router: APIRouter) -> None:
    """What an administrator must be able to look up."""
    router.add_api_route("/audit", audit_page, methods=["GET"])


def audit_page(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    pages: PagesOf,
    kind: Annotated[AuditKind | None, Query()] = None,
    words: Words = "",
    before: Before = None,
) -> Response:
    """Entries of the audit trail, newest first; with ``chain`` whether they are all there and as written."""
    found = newest_entries(archive, _AT_ONCE, before, kind, words)
    checked = "chain" in request.query_params
    content = who(settings) | {
        "entries": found.entries,
        "kinds": list(AuditKind),
        "chosen": kind,
        "words": words,
        "checked": checked,
        "broken": archive.audit.first_break() if checked else None,
        "newer": _address(kind, words, None) if before is not None else None,
        "older": _address(kind, words, found.before) if found.before is not None else None,
    }
    return pages.show(request, "audit.html", content)


def _address(kind: AuditKind | None, words: str, before: int | None) -> str:
    asked = {"kind": kind, "words": words, "before": before}
    query = urlencode({key: value for key, value in asked.items() if value not in (None, "")})
    return f"/audit?{query}" if query else "/audit"
