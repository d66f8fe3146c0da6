"""The web application: DICOMweb, health and pages on one archive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry

from dicomnode import __version__
from dicomnode.archive.archive import Archive
from dicomnode.jobs.deployed import Shelf
from dicomnode.security.passwords import Passwords
from dicomnode.settings import Settings
from dicomnode.web.access.account_pages import add_account_routes
from dicomnode.web.access.credentials import Credentials
from dicomnode.web.access.doors import KnownHosts, RequestRate
from dicomnode.web.access.guard import guard
from dicomnode.web.access.login_pages import add_access_handlers, add_login_routes
from dicomnode.web.access.oidc import SignInByProvider
from dicomnode.web.access.oidc_pages import add_oidc_routes
from dicomnode.web.access.provider import Provider
from dicomnode.web.access.signing_in import SigningIn
from dicomnode.web.api.accounts import add_account_api
from dicomnode.web.api.alarms import add_alarm_route
from dicomnode.web.api.audit import add_audit_api
from dicomnode.web.api.bulletin import Bulletin
from dicomnode.web.api.deliveries import add_delivery_api
from dicomnode.web.api.events import AlarmChanges, add_event_route
from dicomnode.web.api.in_service import InService
from dicomnode.web.api.models import add_model_routes
from dicomnode.web.api.overview import add_overview_api
from dicomnode.web.api.peers import add_peer_routes
from dicomnode.web.api.predict import add_predict_routes
from dicomnode.web.api.reports import add_report_routes
from dicomnode.web.api.rules import add_rule_routes
from dicomnode.web.api.settings import add_settings_api
from dicomnode.web.api.studies import add_studies_api
from dicomnode.web.api.study.routes import add_study_api
from dicomnode.web.auditing import GivenOut
from dicomnode.web.compression import Compression
from dicomnode.web.description import add_description_route
from dicomnode.web.dicomweb.options import add_options_routes
from dicomnode.web.dicomweb.pixels import add_pixel_routes
from dicomnode.web.dicomweb.qido import add_search_routes
from dicomnode.web.dicomweb.rendered import add_rendered_routes
from dicomnode.web.dicomweb.stow import add_store_routes, make_limiter
from dicomnode.web.dicomweb.wado import add_retrieve_routes
from dicomnode.web.headers import SafetyHeaders
from dicomnode.web.health import add_health_routes
from dicomnode.web.metrics.collector import NodeCollector
from dicomnode.web.metrics.predictions import PredictionFigures
from dicomnode.web.metrics.requests import CountRequests, RequestFigures
from dicomnode.web.metrics.route import add_metrics_route
from dicomnode.web.pages.audit import add_audit_route
from dicomnode.web.pages.deliveries import add_delivery_routes
from dicomnode.web.pages.frame import Pages
from dicomnode.web.pages.models import add_model_pages
from dicomnode.web.pages.overview import add_overview_route
from dicomnode.web.pages.peers import add_peer_pages
from dicomnode.web.pages.predict import add_predict_page
from dicomnode.web.pages.reports import add_report_pages
from dicomnode.web.pages.settings import add_settings_route
from dicomnode.web.pages.studies import add_studies_page
from dicomnode.web.pages.study import add_study_routes
from dicomnode.web.predicting.asking import Predictions
from dicomnode.web.predicting.choices import Choices
from dicomnode.web.problems import add_error_handlers
from dicomnode.web.review.app import add_review_routes
from dicomnode.web.viewer.links import add_viewer_routes

_STATIC = Path(__file__).parent / "static"


_ROUTES = (
    add_search_routes,
    add_retrieve_routes,
    add_pixel_routes,
    add_rendered_routes,
    add_store_routes,
    add_options_routes,
    add_description_route,
    add_health_routes,
    add_metrics_route,
    add_event_route,
    add_alarm_route,
    add_overview_api,
    add_overview_route,
    add_studies_api,
    add_studies_page,
    add_study_routes,
    add_study_api,
    add_delivery_routes,
    add_login_routes,
    add_oidc_routes,
    add_account_routes,
    add_audit_route,
    add_settings_route,
    add_delivery_api,
    add_account_api,
    add_audit_api,
    add_settings_api,
    add_viewer_routes,
    add_model_routes,
    add_model_pages,
    add_peer_routes,
    add_rule_routes,
    add_peer_pages,
    add_report_routes,
    add_report_pages,
    add_review_routes,
)


def create_app(archive: Archive, settings: Settings, clock: Callable[[], datetime] | None = None) -> FastAPI:
    """Put the application together.

    Args:
        archive: Open; stays the caller's to close.
        settings: Of the node.
        clock: Present time in UTC; None: the system's.
    """
    # No interactive API pages: FastAPI's own load their scripts from elsewhere.
    app = FastAPI(
        title="dicomnode",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(guard)],
    )
    app.state.archive = archive
    app.state.settings = settings
    app.state.pages = Pages()
    app.state.viewer_port = None  # whoever listens for the viewer says where
    app.state.review = None  # whoever knows data sets opens the table
    app.state.shelf = Shelf(settings.models.folder)
    app.state.in_service = InService(archive.answers)
    app.state.stow_limiter = make_limiter()
    _add_access(app, archive, settings, clock or _now)
    app.state.given_out = GivenOut()
    app.state.metrics = CollectorRegistry()
    app.state.metrics.register(NodeCollector(archive, settings, clock or _now))
    app.state.prediction_figures = PredictionFigures(app.state.metrics)
    app.state.bulletin = Bulletin(archive.changes.look, AlarmChanges(archive, settings, clock or _now).look)
    add_error_handlers(app)
    app.add_middleware(KnownHosts, settings=settings.web)
    app.add_middleware(RequestRate, per_minute=settings.web.requests_per_minute)
    app.add_middleware(Compression)
    app.add_middleware(SafetyHeaders)
    app.add_middleware(CountRequests, figures=RequestFigures(app.state.metrics))
    for add_routes in _ROUTES:
        add_routes(app.router)
    _add_predicting(app, settings)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


def _add_predicting(app: FastAPI, settings: Settings) -> None:
    app.state.predictions = Predictions(settings)
    app.state.choices = Choices(Shelf(settings.models.folder))
    if settings.predict.enabled:
        add_predict_routes(app.router)
        add_predict_page(app.router)


def _add_access(app: FastAPI, archive: Archive, settings: Settings, clock: Callable[[], datetime]) -> None:
    passwords = Passwords()
    oidc = settings.web.accounts.oidc
    app.state.clock = clock
    app.state.sign_in_by_provider = None if oidc is None else SignInByProvider(oidc, Provider(oidc))
    app.state.passwords = passwords
    app.state.credentials = Credentials(archive, settings.web.accounts, SigningIn(archive, passwords), clock)
    add_access_handlers(app)


def _now() -> datetime:
    return datetime.now(UTC)
