"""Models: what lies in the bundle folder, what was approved, what it was measured to do and does in service."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Deployment, DeploymentState
from dicomnode.bundles import BrokenBundle, Bundle, Measured, NodeMetadata, read_measured
from dicomnode.errors import BundleError, ConflictError, NotFoundError
from dicomnode.jobs.deployed import Shelf
from dicomnode.jobs.deploying import deploy
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.in_service import InService, Service
from dicomnode.web.api.refusals import refusals
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf

MODELS = "/api/v1/models"
_FROZEN = ConfigDict(frozen=True)

ModelName = Annotated[str, Path(max_length=255, description="Name of the bundle's folder")]


class Standing(StrEnum):
    """What a model does, and why not.

    Attributes:
        WAITING: Nobody has approved it, or it has changed since.
        BROKEN: It cannot be used.
        MISSING: It was approved, and lies there no more.
    """

    OFF = "off"
    SILENT = "silent"
    LIVE = "live"
    WAITING = "waiting"
    BROKEN = "broken"
    MISSING = "missing"


class ModelSummary(BaseModel):
    """A model in short.

    Attributes:
        changed: Whether the bundle is another one than was approved: it must be approved again.
        approved_state: What it would do, or does, by its last approval.
        problem: Why it cannot be used, or empty.
        runs_code: Whether it holds expressions that run as code on this node.
        answers: How many it gave, of the last 10,000.
    """

    model_config = _FROZEN

    name: str
    standing: Standing
    changed: bool
    approved_state: DeploymentState | None
    approved_digest: str
    approved_at: datetime | None
    version: str = ""
    task: str = ""
    description: str = ""
    digest: str = ""
    runs_code: bool = False
    problem: str = ""
    answers: int = 0


class Model(ModelSummary):
    """Everything that is known of a model.

    Attributes:
        node: What the bundle says of itself to the node; none of one that is broken or missing.
        measured: Figures with intervals, curves and calibration; none if it was not measured so.
        measured_problem: Why they cannot be read, or empty.
        measured_as_is: Whether this very bundle was measured, and not an earlier state of it.
        service: What it answered here.
    """

    node: NodeMetadata | None = None
    measured: Measured | None = None
    measured_problem: str = ""
    measured_as_is: bool = False
    service: Service


class NewState(BaseModel):
    """What a model shall do from now on.

    Attributes:
        digest: Of the bundle as it was looked at; it is approved only if it still is that.
        allow_code: Lets a bundle that holds expressions run them as code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: DeploymentState
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    allow_code: bool = False


def shelf_of(request: Request) -> Shelf:
    """The bundle folder of the app."""
    return cast(Shelf, request.app.state.shelf)


def in_service_of(request: Request) -> InService:
    """The counts of the app."""
    return cast(InService, request.app.state.in_service)


ShelfOf = Annotated[Shelf, Depends(shelf_of)]
InServiceOf = Annotated[InService, Depends(in_service_of)]


def add_model_routes(router: APIRouter) -> None:
    """Models as JSON."""
    router.add_api_route(MODELS, list_models, methods=["GET"])
    router.add_api_route(f"{MODELS}/{{name}}", show_model, methods=["GET"])
    conflict = refusals(HTTPStatus.CONFLICT)
    router.add_api_route(f"{MODELS}/{{name}}/state", set_model, methods=["POST"], responses=conflict)


def list_models(archive: ArchiveOf, shelf: ShelfOf) -> list[ModelSummary]:
    """Every model: what lies in the bundle folder, and what was approved and lies there no more."""
    return summaries(archive, shelf)


def show_model(archive: ArchiveOf, shelf: ShelfOf, in_service: InServiceOf, now: NowOf, name: ModelName) -> Model:
    """A model: what it accepts, what it was measured to do, and what it answered here."""
    return model_of(archive, shelf, in_service, name, now)


def set_model(
    request: Request,
    archive: ArchiveOf,
    shelf: ShelfOf,
    in_service: InServiceOf,
    now: NowOf,
    name: ModelName,
    body: NewState,
) -> Model:
    """Approve a model as it lies there now, and switch it off, silent or live."""
    switch(archive, shelf, name, body, now, actor_of(request))
    return model_of(archive, shelf, in_service, name, now)


def summaries(archive: Archive, shelf: Shelf) -> list[ModelSummary]:
    """Every model, by name."""
    approved = {item.model_name: item for item in archive.deployments.list()}
    found = {bundle.name: _summary(archive, bundle, approved.get(bundle.name)) for bundle in shelf.bundles()}
    gone = {name: _gone(archive, item) for name, item in approved.items() if name not in found}
    return [model for _, model in sorted((found | gone).items())]


def model_of(archive: Archive, shelf: Shelf, in_service: InService, name: str, now: datetime) -> Model:
    """One model.

    Raises:
        NotFoundError: There is none of that name.
    """
    bundle, approved = _find(shelf.bundles(), name), archive.deployments.get(name)
    if bundle is None:
        if approved is None:
            raise NotFoundError(f"there is no model {name}: 'dicomnode models list' shows them")
        return _model(_gone(archive, approved), service=in_service.of(name, "", None, now.date()))
    summary = _summary(archive, bundle, approved)
    if isinstance(bundle, BrokenBundle):
        return _model(summary, service=in_service.of(name, "", None, now.date()))
    measured, problem = _measured(bundle)
    return _model(
        summary,
        node=bundle.node,
        measured=measured,
        measured_problem=problem,
        measured_as_is=measured is not None and measured.bundle_digest == bundle.digest,
        service=in_service.of(name, bundle.digest, measured, now.date()),
    )


def switch(archive: Archive, shelf: Shelf, name: str, wanted: NewState, now: datetime, actor: str) -> None:
    """Approve a model as it lies there, and set its state; one that is gone can only be switched off.

    Raises:
        NotFoundError: There is none of that name.
        ConflictError: It is broken, gone, or another one than was looked at.
        UsageError: It holds code that was not allowed.
    """
    bundle = _find(shelf.bundles(), name)
    if isinstance(bundle, Bundle):
        code, seen = wanted.allow_code, wanted.digest
        deploy(archive, bundle, wanted.state, now, allow_code=code, actor=actor, seen_digest=seen)
    elif wanted.state is DeploymentState.OFF and archive.deployments.get(name) is not None:
        archive.deployments.set_state(name, wanted.state, now, actor)
    elif bundle is not None:
        raise ConflictError(f"model {name} cannot be approved: {bundle.problem}")
    else:
        raise NotFoundError(f"there is no bundle {name} in the models folder")


def bundle_named(shelf: Shelf, name: str) -> Bundle | None:
    """A bundle that can be used; None if there is none of that name."""
    bundle = _find(shelf.bundles(), name)
    return bundle if isinstance(bundle, Bundle) else None


def _find(bundles: Iterable[Bundle | BrokenBundle], name: str) -> Bundle | BrokenBundle | None:
    return next((bundle for bundle in bundles if bundle.name == name), None)


def _model(summary: ModelSummary, **more: object) -> Model:
    return Model.model_validate(summary.model_dump() | more)


def _summary(archive: Archive, bundle: Bundle | BrokenBundle, approved: Deployment | None) -> ModelSummary:
    values = _approved(archive, bundle.name, approved)
    if isinstance(bundle, BrokenBundle):
        return ModelSummary.model_validate(values | {"standing": Standing.BROKEN, "problem": bundle.problem})
    changed = approved is not None and approved.digest != bundle.digest
    standing = Standing.WAITING if approved is None or changed else Standing(approved.state)
    about = {
        "version": bundle.version,
        "task": bundle.node.task.value,
        "description": bundle.description,
        "digest": bundle.digest,
        "runs_code": bundle.runs_code,
    }
    return ModelSummary.model_validate(values | about | {"standing": standing, "changed": changed})


def _gone(archive: Archive, approved: Deployment) -> ModelSummary:
    values = _approved(archive, approved.model_name, approved)
    problem = "its bundle is not in the models folder: put it back, or switch the model off"
    return ModelSummary.model_validate(values | {"standing": Standing.MISSING, "problem": problem})


def _approved(archive: Archive, name: str, approved: Deployment | None) -> dict[str, object]:
    return {
        "name": name,
        "changed": False,
        "approved_state": None if approved is None else approved.state,
        "approved_digest": "" if approved is None else approved.digest,
        "approved_at": None if approved is None else approved.approved_at,
        "answers": archive.answers.newest(name)[0],
    }


def _measured(bundle: Bundle) -> tuple[Measured | None, str]:
    try:
        return read_measured(bundle.path), ""
    except BundleError as error:
        return None, str(error)
