"""Files to a model and its answer back, nothing kept: for the page Predict and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Annotated, cast

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dicomnode.archive.archive import Archive
from dicomnode.dicom.audit import AuditKind
from dicomnode.errors import PredictionError, UsageError
from dicomnode.inference.on_request.question import Question
from dicomnode.settings.predict import PredictSettings
from dicomnode.web.access.guard import now_of
from dicomnode.web.api.predict_bodies import (
    FileResult,
    ModelsToAsk,
    PredictionAnswer,
    PredictQuery,
    Timings,
    model_of,
    model_to_ask,
)
from dicomnode.web.api.predict_examples import ANSWERS, REQUEST
from dicomnode.web.api.refusals import refusals
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.dicomweb.stow import RequestBody
from dicomnode.web.metrics.predictions import PredictionFigures
from dicomnode.web.predicting.asking import Predictions, Told
from dicomnode.web.predicting.choices import Choice, Choices
from dicomnode.web.predicting.upload import Upload, read_upload

PREDICT = "/api/v1/predict"

_JSON = "application/json"
# Errors of the process that say that a request was too much, and not that the node is at fault.
_TOO_MUCH = ("TooMuchError", "MemoryError", "DeviceMemoryError")
_REFUSALS = refusals(
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_SLOW = "nothing came for some time: send the files again"


def predictions_of(request: Request) -> Predictions:
    """What the app was made with."""
    return cast(Predictions, request.app.state.predictions)


def choices_of(request: Request) -> Choices:
    """What the app was made with."""
    return cast(Choices, request.app.state.choices)


PredictionsOf = Annotated[Predictions, Depends(predictions_of)]
ChoicesOf = Annotated[Choices, Depends(choices_of)]


def add_predict_routes(router: APIRouter) -> None:
    """The models that may be asked, and asking one."""
    router.add_api_route(PREDICT, models_to_ask, methods=["GET"], response_model=ModelsToAsk)
    router.add_api_route(
        PREDICT,
        predict,
        methods=["POST"],
        response_model=PredictionAnswer,
        responses={HTTPStatus.OK: {"content": {_JSON: {"examples": ANSWERS}}}, **_REFUSALS},
        openapi_extra={"requestBody": REQUEST},
    )


def models_to_ask(archive: ArchiveOf, choices: ChoicesOf) -> ModelsToAsk:
    """The models that files may be shown to, with what each is made for."""
    return ModelsToAsk(models=tuple(map(model_to_ask, choices.all(archive.deployments))))


async def predict(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    predictions: PredictionsOf,
    choices: ChoicesOf,
    query: Annotated[PredictQuery, Query()],
) -> Response:
    """Show DICOM files or pictures to a model; they are not kept, and the model is not cleared for diagnosis."""
    choice = await to_thread.run_sync(choices.named, archive.deployments, query.model)
    _check_class(query, choice)
    with predictions.place():
        body = _body(request, settings.predict, settings.receive.network_timeout_seconds)
        work = partial(_predict, request, archive, predictions, settings.predict, choice, query, body)
        figures = cast(PredictionFigures, request.app.state.prediction_figures)
        try:
            with figures.count(choice.bundle.name):
                answer = await to_thread.run_sync(work)
        except ClientDisconnect:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "the request ended early") from None
    return Response(answer.model_dump_json(), media_type=_JSON)


def _predict(
    request: Request,
    archive: Archive,
    predictions: Predictions,
    settings: PredictSettings,
    choice: Choice,
    query: PredictQuery,
    body: Iterable[bytes],
) -> PredictionAnswer:
    content_type = request.headers.get("content-type", "")
    with read_upload(_in_time(body), content_type, settings.maximum_files) as upload:
        count = len(upload.lengths)
        detail = f"{choice.bundle.name}, {count} {'file' if count == 1 else 'files'}, not kept"
        archive.audit.add("prediction", detail, now_of(request), kind=AuditKind.OTHER, actor=actor_of(request))
        told = predictions.ask(_question(settings, choice, query, upload), upload.descriptor)
    return _answer(choice, told)


def _question(settings: PredictSettings, choice: Choice, query: PredictQuery, upload: Upload) -> Question:
    return Question(
        bundle=str(choice.bundle.path),
        digest=choice.bundle.digest,
        lengths=tuple(upload.lengths),
        most_pixels=settings.maximum_megapixels * 1_000_000,
        seconds=settings.timeout_seconds,
        spacing=query.spacing,
        of_class=query.of_class,
        grad_cam=query.grad_cam,
        pictures=query.pictures,
        masks=query.masks,
    )


def _answer(choice: Choice, told: Told) -> PredictionAnswer:
    answer = told.reply.get("answer")
    if answer is None:
        text = str(told.reply.get("text"))
        if told.reply.get("error") in _TOO_MUCH:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        raise PredictionError(text)
    loaded, predicted = float(answer["load_seconds"]), float(answer["predict_seconds"])
    return PredictionAnswer(
        model=model_of(choice.bundle),
        results=tuple(FileResult.model_validate(item) for item in answer["results"]),
        seconds=Timings(
            waited=round(told.waited_seconds, 3),
            started=round(max(0.0, told.seconds - loaded - predicted), 3),
            loaded=loaded,
            predicted=predicted,
        ),
    )


def _check_class(query: PredictQuery, choice: Choice) -> None:
    names = [item.name for item in choice.bundle.node.classes]
    if query.of_class is not None and query.of_class not in names:
        raise UsageError(f"the model has no such class; its classes are {', '.join(names)}")


def _body(request: Request, settings: PredictSettings, silence_seconds: float) -> RequestBody:
    try:
        return RequestBody(request, settings.maximum_request_bytes, silence_seconds)
    except HTTPException as error:
        raise _in_our_words(error) from None


def _in_time(body: Iterable[bytes]) -> Iterable[bytes]:
    try:
        yield from body
    except HTTPException as error:
        raise _in_our_words(error) from None


def _in_our_words(error: HTTPException) -> HTTPException:
    """The reader of bodies speaks of instances that are stored."""
    if error.status_code == HTTPStatus.REQUEST_TIMEOUT:
        return HTTPException(error.status_code, _SLOW)
    return HTTPException(
        error.status_code, "the request is too large (predict.maximum_request_bytes): send fewer files at once"
    )
