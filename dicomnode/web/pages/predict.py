"""The page where somebody shows a picture to a model."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode.web.api.predict import PREDICT, ChoicesOf, PredictionsOf
from dicomnode.web.api.predict_bodies import model_to_ask
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.frame import PagesOf, who
from dicomnode.web.predicting.statements import STATEMENTS


def add_predict_page(router: APIRouter) -> None:
    """The page."""
    router.add_api_route("/predict", predict_page, methods=["GET"])


def predict_page(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    pages: PagesOf,
    predictions: PredictionsOf,
    choices: ChoicesOf,
) -> Response:
    """Show a picture to a model and see what it says; the work is done by `POST /api/v1/predict`."""
    models = [model_to_ask(choice) for choice in choices.all(archive.deployments)]
    if models:
        predictions.warm_up()  # while the reader looks for a file
    content = who(settings) | {
        "models": models,
        "statements": STATEMENTS,
        "address": PREDICT,
        "maximum_files": settings.predict.maximum_files,
        "maximum_mib": settings.predict.maximum_request_bytes // 1024**2,
    }
    return pages.show(request, "predict.html", content)
