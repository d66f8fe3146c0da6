"""The plain pages: an overview, and one page per study. No patient names or IDs are shown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response
from fastapi.templating import Jinja2Templates

from dicomnode import __version__
from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Delivery, Evidence, Job, StudyRecord
from dicomnode.errors import NotFoundError
from dicomnode.settings import Settings
from dicomnode.web.addresses import ArchiveOf, SettingsOf, check_uids
from dicomnode.web.answers import JobAnswer, read_answer
from dicomnode.web.media import DICOM

_PAGE = 50


@dataclass(frozen=True, slots=True)
class Tile:
    """A title and how many of each state there are."""

    title: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A line of the overview."""

    record: StudyRecord
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """An evidence object and where it goes."""

    item: Evidence
    deliveries: tuple[Delivery, ...]


def make_templates() -> Jinja2Templates:
    """The page templates, which escape everything that they print."""
    templates = Jinja2Templates(directory=Path(__file__).parent / "templates", context_processors=[_visitor])
    templates.env.filters["utc"] = _utc
    return templates


def _visitor(request: Request) -> dict[str, object]:
    """Who looks at a page, for its head; nobody where pages need no login."""
    return {"principal": getattr(request.state, "principal", None)}


def _templates_of(request: Request) -> Jinja2Templates:
    templates: Jinja2Templates = request.app.state.templates
    return templates


TemplatesOf = Annotated[Jinja2Templates, Depends(_templates_of)]


def add_page_routes(router: APIRouter) -> None:
    """Pages for the administrator's browser."""
    router.add_api_route("/", overview, methods=["GET"])
    router.add_api_route("/studies/{study_uid}", study_page, methods=["GET"])
    router.add_api_route("/evidence/{name}", evidence_file, methods=["GET"])


def overview(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    templates: TemplatesOf,
    offset: Annotated[int, Query(ge=0, lt=10**9)] = 0,
) -> Response:
    """What is here and how it stands, the latest study first."""
    records = archive.studies.list(limit=_PAGE + 1, offset=offset)
    content = who(settings) | {
        "receive_port": settings.receive.port,
        "tiles": _tiles(archive),
        "studies": [_study_row(archive, record) for record in records[:_PAGE]],
        "offset": offset,
        "next_offset": offset + _PAGE if len(records) > _PAGE else None,
    }
    return templates.TemplateResponse(request, "overview.html", content)


def study_page(
    request: Request, archive: ArchiveOf, settings: SettingsOf, templates: TemplatesOf, study_uid: str
) -> Response:
    """Everything that is known of one study."""
    check_uids(study_uid)
    record = archive.studies.record(study_uid)
    content = who(settings) | {
        "record": record,
        "answers": _answers(archive, study_uid),
        "evidence": _evidence_rows(archive, study_uid),
        "trace": archive.traces.list(study_uid),
    }
    return templates.TemplateResponse(request, "study.html", content)


def evidence_file(archive: ArchiveOf, name: str) -> Response:
    """An evidence object as a file, also one that the gate holds back."""
    sop_instance_uid = name.removesuffix(".dcm")
    check_uids(sop_instance_uid)
    item = archive.evidence.get(sop_instance_uid)
    if item is None:
        raise NotFoundError(f"evidence object {sop_instance_uid} was not made by this node")
    return FileResponse(item.path, media_type=DICOM, filename=f"{item.role}-{sop_instance_uid}.dcm")


def who(settings: Settings) -> dict[str, object]:
    """What every page says of the node."""
    return {"ae_title": settings.node.ae_title, "version": __version__}


def _tiles(archive: Archive) -> list[Tile]:
    deliveries: Counter[str] = Counter()
    for (_, state), count in archive.deliveries.counts().items():
        deliveries[state] += count
    models = Counter(deployment.state for deployment in archive.deployments.list())
    return [
        _tile("Studies", archive.studies.counts().items()),
        _tile("Jobs", archive.jobs.counts().items()),
        _tile("Deliveries", deliveries.items()),
        _tile("Models", models.items()),
    ]


def _tile(title: str, counts: Iterable[tuple[str, int]]) -> Tile:
    return Tile(title, tuple((str(state), count) for state, count in sorted(counts)))


def _study_row(archive: Archive, record: StudyRecord) -> StudyRow:
    return StudyRow(record, tuple(_current(archive.jobs.list(record.study_instance_uid))))


def _current(jobs: Iterable[Job]) -> list[Job]:
    """The last job of each model; earlier ones answered for a study that has changed since."""
    return list({job.model_name: job for job in jobs}.values())


def _answers(archive: Archive, study_uid: str) -> list[JobAnswer]:
    """The current answer of each model; one whose documents were recalled stays withdrawn when it is given again."""
    jobs = archive.jobs.list(study_uid)
    recalled = {item.job_id for item in archive.evidence.list(study_uid) if item.recall_id is not None}
    results = {job.result_json for job in jobs if job.job_id in recalled and job.result_json is not None}
    return [read_answer(job, withdrawn=job.result_json in results) for job in _current(jobs)]


def _evidence_rows(archive: Archive, study_uid: str) -> list[EvidenceRow]:
    deliveries = defaultdict(list)
    for delivery in archive.deliveries.list(study_uid):
        deliveries[delivery.sop_instance_uid].append(delivery)
    return [EvidenceRow(item, tuple(deliveries[item.sop_instance_uid])) for item in archive.evidence.list(study_uid)]


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
