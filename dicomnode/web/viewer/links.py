"""Where the viewer shows a study, for pages that lead there, and what is said where there is none."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode.web.dicomweb.addresses import SettingsOf, check_uids
from dicomnode.web.pages.frame import PagesOf, who
from dicomnode.web.viewer.installing import HOW_TO_GET_IT
from dicomnode.web.viewer.package import LICENCE, NAME, VERSION

_MODE = "viewer"  # OHIF's name of its plain way of looking


def viewer_address(request: Request, study_uid: str | None = None) -> str | None:
    """The address at which this browser sees a study in the viewer.

    Args:
        request: Of the page that leads there: the viewer is on the same host, by the same scheme.
        study_uid: None: the viewer's list of studies.

    Returns:
        None where the node serves no viewer.
    """
    port: int | None = request.app.state.viewer_port
    if port is None:
        return None
    named: str = request.app.state.settings.web.viewer.address
    origin = named or f"{request.url.scheme}://{_host(request)}:{port}"
    return f"{origin}/{_MODE}?{urlencode({'StudyInstanceUIDs': study_uid})}" if study_uid else f"{origin}/"


def add_viewer_routes(router: APIRouter) -> None:
    """The ways to the viewer."""
    router.add_api_route("/viewer", open_viewer, methods=["GET"])
    router.add_api_route("/studies/{study_uid}/viewer", open_study, methods=["GET"])


def open_viewer(request: Request, settings: SettingsOf, pages: PagesOf) -> Response:
    """On to the viewer's list of studies."""
    return _onward(request, settings, pages, viewer_address(request))


def open_study(request: Request, settings: SettingsOf, pages: PagesOf, study_uid: str) -> Response:
    """On to a study in the viewer."""
    check_uids(study_uid)
    return _onward(request, settings, pages, viewer_address(request, study_uid))


def _onward(request: Request, settings: SettingsOf, pages: PagesOf, address: str | None) -> Response:
    if address is not None:
        # No redirect: after a login it would be the form's doing, and the policy lets forms lead to this origin only.
        return pages.show(request, "onward.html", who(settings) | {"next": address})
    about = {"command": HOW_TO_GET_IT, "package": f"{NAME} {VERSION}", "licence": LICENCE}
    return pages.show(request, "viewer.html", who(settings) | about)


def _host(request: Request) -> str:
    host = request.url.hostname or ""
    return f"[{host}]" if ":" in host else host
