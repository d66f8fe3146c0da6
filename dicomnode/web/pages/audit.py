"""The page of the audit trail, for administrators."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.frame import PagesOf, who

_MOST = 500


def add_audit_route(router: APIRouter) -> None:
    """What an administrator must be able to look up."""
    router.add_api_route("/audit", audit_page, methods=["GET"])


def audit_page(request: Request, archive: ArchiveOf, settings: SettingsOf, pages: PagesOf) -> Response:
    """The newest entries of the audit trail, newest first."""
    content = who(settings) | {"entries": archive.audit.list(_MOST), "most": _MOST}
    return pages.show(request, "audit.html", content)
