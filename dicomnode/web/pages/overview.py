"""The overview: what is here and how it stands. No patient names or IDs are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Job, StudyRecord
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.answers import current_jobs
from dicomnode.web.pages.frame import PagesOf, who

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


def add_overview_route(router: APIRouter) -> None:
    """The page that opens first."""
    router.add_api_route("/", overview, methods=["GET"])


def overview(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    pages: PagesOf,
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
    return pages.show(request, "overview.html", content)


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
    return StudyRow(record, tuple(current_jobs(archive.jobs.list(record.study_instance_uid))))
