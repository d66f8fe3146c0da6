"""Rules, and what they would make of files that nobody keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import DeploymentState, JobKind
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.errors import DicomNodeError, UsageError
from dicomnode.jobs.deployed import Shelf, deployed_models
from dicomnode.jobs.trying import Sent, StudyTrial, try_routing
from dicomnode.peers.multipart import parse_content_type, parse_multipart
from dicomnode.settings import Settings
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.models import ShelfOf
from dicomnode.web.api.refusals import refusals
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.dicomweb.media import DICOM
from dicomnode.web.dicomweb.stow import RequestBody

RULES = "/api/v1/rules"
_FROZEN = ConfigDict(frozen=True)
_MOST_BYTES = 512 << 20
_MOST_FILES = 2000
_HEAD_BYTES = 8 << 20
"""More of a file is not looked at: what identifies an instance stands before its pixels."""

_FILE = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {"files": {"type": "array", "items": _FILE}}}
_BODY = {"requestBody": {"content": {DICOM: {"schema": _FILE}, "multipart/form-data": {"schema": _FORM}}}}

AETitleOf = Annotated[str, Query(max_length=16, pattern=r"^[^\\\x00-\x1f]*$")]


class Rule(BaseModel):
    """A rule of the settings.

    Attributes:
        number: From 1, in the order of the settings.
        model: ``*`` stands for every deployed one.
        targets: None means every target.
        unknown_model: Whether no bundle of that name lies in the folder.
    """

    model_config = _FROZEN

    number: int
    model: str
    called_ae_title: str | None
    calling_ae_title: str | None
    modality: tuple[str, ...]
    targets: tuple[str, ...] | None
    unknown_model: bool


class Accepting(BaseModel):
    """What a model in the folder would be asked about.

    Attributes:
        problem: Why it does not run, or empty.
        modality: What it accepts; empty accepts everything, as do the next two.
    """

    model_config = _FROZEN

    model: str
    state: DeploymentState
    problem: str
    modality: tuple[str, ...]
    body_part_examined: tuple[str, ...]
    minimum_images: int


class Rules(BaseModel):
    """What decides which study is given to which model.

    Attributes:
        rules: Without any, every model is tried on every study, and answers go to all targets.
    """

    model_config = _FROZEN

    rules: tuple[Rule, ...]
    models: tuple[Accepting, ...]
    targets: tuple[str, ...]


class TriedModel(BaseModel):
    """What would become of a study and a model.

    Attributes:
        kind: ``infer``, ``refused`` or ``out_of_scope``; none if it would get no job.
        reason: What the trace would say, in English.
        rules: Numbers of the rules that give it the study.
        targets: Where its answer would go.
        silent: Whether the answer would stay here.
    """

    model_config = _FROZEN

    model: str
    kind: JobKind | None
    reason: str
    rules: tuple[int, ...]
    targets: tuple[str, ...]
    silent: bool


class TriedStudy(BaseModel):
    """A study that the files make.

    Attributes:
        notes: What the trace would say of the study as a whole, in English.
    """

    model_config = _FROZEN

    study_instance_uid: str
    modalities: tuple[str, ...]
    series: int
    instances: int
    models: tuple[TriedModel, ...]
    notes: tuple[str, ...]


class Trial(BaseModel):
    """What would become of the files.

    Attributes:
        unreadable: What is wrong with files that are no DICOM instances, with their number in the request.
    """

    model_config = _FROZEN

    studies: tuple[TriedStudy, ...]
    unreadable: tuple[str, ...]


def add_rule_routes(router: APIRouter) -> None:
    """Rules as JSON, and their tester."""
    router.add_api_route(RULES, list_rules, methods=["GET"])
    too_much = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    router.add_api_route(
        f"{RULES}/test", test_rules, methods=["POST"], responses=refusals(*too_much), openapi_extra=_BODY
    )


def list_rules(archive: ArchiveOf, settings: SettingsOf, shelf: ShelfOf) -> Rules:
    """The rules of the settings, and what the models accept."""
    return rules_of_node(archive, settings, shelf)


async def test_rules(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    shelf: ShelfOf,
    now: NowOf,
    called_ae_title: AETitleOf = "",
    calling_ae_title: AETitleOf = "",
) -> Trial:
    """What would run on DICOM files, and why; only their headers are looked at, and nothing of them is kept."""
    body = RequestBody(request, _MOST_BYTES, settings.receive.network_timeout_seconds)
    sent = Sent(called_ae_title.strip(), calling_ae_title.strip())
    content_type = request.headers.get("content-type", "")
    work = partial(tried, archive, settings, shelf, _files(body, content_type), sent, now)
    try:
        return await to_thread.run_sync(work)
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the request ended early") from None


def rules_of_node(archive: Archive, settings: Settings, shelf: Shelf) -> Rules:
    """Rules and models as they are now."""
    deployed = deployed_models(shelf, archive.deployments)
    names = {model.name for model in deployed} | {"*"}
    return Rules(
        rules=tuple(
            Rule(number=number, unknown_model=rule.model not in names, **rule.model_dump())
            for number, rule in enumerate(settings.rules, start=1)
        ),
        models=tuple(
            Accepting(
                model=model.name,
                state=model.state,
                problem=model.problem,
                modality=() if model.accepts is None else model.accepts.modality,
                body_part_examined=() if model.accepts is None else model.accepts.body_part_examined,
                minimum_images=1 if model.accepts is None else model.accepts.minimum_images,
            )
            for model in sorted(deployed, key=lambda item: item.name)
        ),
        targets=tuple(target.name for target in settings.targets),
    )


def tried(
    archive: Archive, settings: Settings, shelf: Shelf, files: Iterable[Iterable[bytes]], sent: Sent, now: datetime
) -> Trial:
    """What would become of files.

    Raises:
        UsageError: There are none, or too many.
    """
    headers, unreadable = _headers(files)
    deployed = deployed_models(shelf, archive.deployments)
    studies = try_routing(headers, sent, deployed, settings, now)
    return Trial(studies=tuple(_told(study) for study in studies), unreadable=tuple(unreadable))


def _told(trial: StudyTrial) -> TriedStudy:
    study = trial.study
    return TriedStudy(
        study_instance_uid=study.study_instance_uid,
        modalities=tuple(sorted({series.modality for series in study.series})),
        series=len(study.series),
        instances=sum(len(series.instances) for series in study.series),
        models=tuple(
            TriedModel(
                model=one.model_name,
                kind=one.kind,
                reason=one.line,
                rules=one.rules,
                targets=one.targets,
                silent=one.silent,
            )
            for one in trial.models
        ),
        notes=trial.lines,
    )


def _headers(files: Iterable[Iterable[bytes]]) -> tuple[list[InstanceHeader], list[str]]:
    headers: list[InstanceHeader] = []
    unreadable: list[str] = []
    number = 0
    for number, content in enumerate(files, start=1):
        if number > _MOST_FILES:
            raise UsageError(f"one test takes {_MOST_FILES} files: send some images of the study, it need not be all")
        try:
            headers.append(read_header(BytesIO(_head(content))))
        except DicomNodeError as error:
            unreadable.append(f"file {number}: {error}")
    if not number:
        raise UsageError("there is no file in the request: send DICOM files")
    return headers, unreadable


def _head(content: Iterable[bytes]) -> bytes:
    """The beginning of a file; the rest is passed over unread."""
    kept = bytearray()
    for chunk in content:
        kept += chunk[: _HEAD_BYTES - len(kept)]
    return bytes(kept)


def _files(body: Iterable[bytes], content_type: str) -> Iterator[Iterable[bytes]]:
    """The files of a body: the only one, those of a form, or the parts of a DICOMweb request."""
    media_type, parameters = parse_content_type(content_type)
    if media_type in (DICOM, "application/octet-stream"):
        yield body
        return
    if media_type not in ("multipart/form-data", "multipart/related"):
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"files are taken as {DICOM} or multipart/form-data")
    for part in parse_multipart(body, parameters.get("boundary", "")):
        if not part.is_field:
            yield part.content
