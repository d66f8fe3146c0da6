"""The viewer's origin: OHIF wants the root of one, and what runs in it can send no form to the node's pages."""

from __future__ import annotations

from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomnode.settings import Settings
from dicomnode.web.access.doors import KnownHosts, RequestRate
from dicomnode.web.access.guard import guard
from dicomnode.web.access.login_pages import add_access_handlers
from dicomnode.web.dicomweb.addresses import SERVICE
from dicomnode.web.headers import SafetyHeaders
from dicomnode.web.problems import add_error_handlers
from dicomnode.web.viewer.assets import CONFIGURATION, INDEX, SERVICE_WORKER, Assets, list_assets
from dicomnode.web.viewer.configuration import configuration_script
from dicomnode.web.viewer.policy import content_security_policy

# What of the node answers on this origin too: images, and signing in where nobody is signed in yet.
_OF_THE_NODE = (SERVICE, "/login", "/logout", "/password", "/static")
_SCRIPT = "text/javascript"
PAGE = "/{page:path}"


def create_viewer(node: FastAPI, settings: Settings, dist: Path) -> ByPath:
    """The application of the viewer's origin.

    Args:
        node: The node's own; its accounts open the viewer.
        settings: Of the node.
        dist: The built pages.
    """
    index = (dist / INDEX).read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": content_security_policy(index)}
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, dependencies=[Depends(guard)])
    app.state = node.state
    add_error_handlers(app)
    add_access_handlers(app)
    _add_pages(app, index, headers)
    app.add_middleware(Assets, assets=list_assets(dist), headers=headers)
    app.add_middleware(KnownHosts, settings=settings.web)
    app.add_middleware(RequestRate, per_minute=settings.web.requests_per_minute)
    app.add_middleware(SafetyHeaders)
    return ByPath(app, node)


def _add_pages(app: FastAPI, index: str, headers: dict[str, str]) -> None:
    configuration = configuration_script()

    def configure() -> Response:
        return Response(configuration, media_type=_SCRIPT, headers={"Cache-Control": "no-cache"})

    def start_no_service_worker() -> Response:
        # OHIF's own would keep pages in the browser after a logout, and load its parts from another origin.
        return Response("", media_type=_SCRIPT, headers={"Cache-Control": "no-cache"})

    def show(page: str) -> Response:
        """The one page of the viewer; its paths are its own affair."""
        return Response(index, media_type="text/html", headers=headers)

    app.add_api_route(CONFIGURATION, configure, methods=["GET"])
    app.add_api_route(SERVICE_WORKER, start_no_service_worker, methods=["GET"])
    app.add_api_route(PAGE, show, methods=["GET"])


class ByPath:
    """ASGI application: some paths are the node's, the rest the viewer's.

    Attributes:
        viewer: Answers for the rest.
    """

    def __init__(self, viewer: FastAPI, node: ASGIApp) -> None:
        self.viewer = viewer
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        path = scope.get("path", "")
        is_node = any(path == start or path.startswith(f"{start}/") for start in _OF_THE_NODE)
        await (self._node if is_node else self.viewer)(scope, receive, send)


class ByPort:
    """ASGI application on two listeners: which of two applications answers is the port's affair."""

    def __init__(self, node: ASGIApp, viewer: ASGIApp, viewer_port: int) -> None:
        self._node = node
        self._viewer = viewer
        self._viewer_port = viewer_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        server = scope.get("server")
        is_viewer = server is not None and server[1] == self._viewer_port
        await (self._viewer if is_viewer else self._node)(scope, receive, send)
