"""The web application: DICOMweb, health and pages on one archive."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from dicomnode import __version__
from dicomnode.archive.archive import Archive
from dicomnode.settings import Settings
from dicomnode.web.headers import SafetyHeaders
from dicomnode.web.health import add_health_routes
from dicomnode.web.pages import add_page_routes, make_templates
from dicomnode.web.problems import add_error_handlers
from dicomnode.web.qido import add_search_routes
from dicomnode.web.stow import add_store_routes, make_limiter
from dicomnode.web.wado import add_retrieve_routes

_STATIC = Path(__file__).parent / "static"


def create_app(archive: Archive, settings: Settings) -> FastAPI:
    """Put the application together.

    Args:
        archive: Open; stays the caller's to close.
        settings: Of the node.
    """
    # No interactive API pages: FastAPI's own load their scripts from elsewhere.
    app = FastAPI(title="dicomnode", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.archive = archive
    app.state.settings = settings
    app.state.templates = make_templates()
    app.state.stow_limiter = make_limiter()
    add_error_handlers(app)
    app.add_middleware(SafetyHeaders)
    router = APIRouter()
    for add_routes in (add_search_routes, add_retrieve_routes, add_store_routes, add_health_routes, add_page_routes):
        add_routes(router)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app
