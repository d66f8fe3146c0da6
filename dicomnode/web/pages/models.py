"""The pages of models: what there is and what it does, and one model with its card, figures and service."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from pydicom.uid import UID

from dicomnode.bundles import Measured
from dicomnode.bundles.measured import MeasuredRows
from dicomnode.errors import UsageError
from dicomnode.web.access.forms import Form, FormOf
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.models import (
    InServiceOf,
    Model,
    ModelName,
    NewState,
    ShelfOf,
    bundle_named,
    model_of,
    summaries,
    switch,
)
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.cards import read_card
from dicomnode.web.pages.charts import Chart
from dicomnode.web.pages.figure_words import FigureRow, class_rows, figure_rows, main_figures
from dicomnode.web.pages.frame import PagesOf, who
from dicomnode.web.pages.model_charts import measured_charts, service_charts


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of cases as a page shows it.

    Attributes:
        name: ``all`` or ``clean``.
        class_head: Titles of the columns of the table of classes, in English.
    """

    name: str
    cases: int
    charts: list[Chart]
    class_head: tuple[str, ...]
    classes: list[FigureRow]


def add_model_pages(router: APIRouter) -> None:
    """The list, a model, and its switch."""
    router.add_api_route("/models", models_page, methods=["GET"])
    router.add_api_route("/models/{name}", model_page, methods=["GET"])
    router.add_api_route("/models/{name}/state", set_state, methods=["POST"])


def models_page(
    request: Request,
    archive: ArchiveOf,
    shelf: ShelfOf,
    in_service: InServiceOf,
    settings: SettingsOf,
    pages: PagesOf,
    now: NowOf,
) -> Response:
    """Every model: what it does, which version, its main figures and what it answered here."""
    models = [model_of(archive, shelf, in_service, model.name, now) for model in summaries(archive, shelf)]
    rows = [(model, main_figures(model.task, _honest_first(model.measured)[:1])) for model in models]
    return pages.show(request, "models.html", who(settings) | {"models": rows, "now": now})


def model_page(
    request: Request,
    archive: ArchiveOf,
    shelf: ShelfOf,
    in_service: InServiceOf,
    settings: SettingsOf,
    pages: PagesOf,
    now: NowOf,
    name: ModelName,
) -> Response:
    """A model: what it accepts, what it was measured to do, its card, and what it answered here."""
    model = model_of(archive, shelf, in_service, name, now)
    bundle = bundle_named(shelf, name)
    choices = _honest_first(model.measured)
    threshold = None if model.node is None else model.node.operating_point.threshold
    content = who(settings) | {
        "model": model,
        "card": None if bundle is None else read_card(bundle.path),
        "config": "" if bundle is None else f"configs/{bundle.config.name}",
        "sop_classes": _sop_classes(model),
        "choices": [] if model.measured is None else [_choice(model.measured, rows) for rows in choices],
        "main_figures": main_figures(model.task, choices),
        "figures": figure_rows(choices),
        "service_charts": service_charts(model.service, model.measured, threshold),
        "now": now,
    }
    return pages.show(request, "model.html", content)


def set_state(
    request: Request, archive: ArchiveOf, shelf: ShelfOf, now: NowOf, form: FormOf, name: ModelName
) -> Response:
    """Approve a model as it lies there now, and switch it."""
    switch(archive, shelf, name, _wanted(form), now, actor_of(request))
    return RedirectResponse(request.url.path.removesuffix("/state"), HTTPStatus.SEE_OTHER)


def _wanted(form: Form) -> NewState:
    given = {"state": form.get("state"), "digest": form.get("digest"), "allow_code": "allow_code" in form}
    try:
        return NewState.model_validate(given)
    except ValidationError as error:
        raise UsageError(f"{error.errors()[0]['loc'][0]}: the form lacks it or holds something else") from None


def _honest_first(measured: Measured | None) -> tuple[MeasuredRows, ...]:
    """The choices of cases, the one that flatters least first: without near duplicates in the training."""
    return () if measured is None else tuple(reversed(measured.rows))


def _choice(measured: Measured, rows: MeasuredRows) -> Choice:
    head, lines = class_rows(rows)
    return Choice(rows.name, rows.cases, measured_charts(measured, rows), head, lines)


def _sop_classes(model: Model) -> list[str]:
    """The names of the SOP classes that a model takes."""
    return [] if model.node is None else [UID(uid).name for uid in model.node.accepts.sop_class_uid]
