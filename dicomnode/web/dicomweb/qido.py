"""QIDO-RS: search for studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from dicomnode.archive.records import QidoQuery
from dicomnode.settings import Settings
from dicomnode.web.auditing import note_query
from dicomnode.web.dicomweb.addresses import SERIES, SERVICE, STUDY, ArchiveOf, SettingsOf
from dicomnode.web.dicomweb.dicomjson import JsonDataset
from dicomnode.web.dicomweb.media import DICOM_JSON, require_json
from dicomnode.web.dicomweb.qido_json import Told
from dicomnode.web.dicomweb.qido_query import read_included, read_query

Record = TypeVar("Record")
_MORE = '299 dicomnode "There are additional results that can be requested"'


def add_search_routes(router: APIRouter) -> None:
    """The six search resources of PS3.18 Table 10.6.1-1."""
    router.add_api_route(f"{SERVICE}/studies", search_studies, methods=["GET"])
    router.add_api_route(f"{SERVICE}/series", search_series, methods=["GET"])
    router.add_api_route(f"{SERVICE}/instances", search_instances, methods=["GET"])
    router.add_api_route(f"{STUDY}/series", search_series, methods=["GET"])
    router.add_api_route(f"{STUDY}/instances", search_instances, methods=["GET"])
    router.add_api_route(f"{SERIES}/instances", search_instances, methods=["GET"])


def search_studies(request: Request, archive: ArchiveOf, settings: SettingsOf) -> Response:
    """All studies that match."""
    require_json(request)
    told = Told(request, archive, read_included(request))
    query = read_query(request)
    note_query(request, archive, "studies")
    return _answer(query, settings, archive.studies.search_studies, told.study)


def search_series(request: Request, archive: ArchiveOf, settings: SettingsOf, study_uid: str = "") -> Response:
    """All series that match, of one study or of all."""
    require_json(request)
    told = Told(request, archive, read_included(request))
    query = read_query(request, StudyInstanceUID=study_uid)
    note_query(request, archive, "series")
    return _answer(query, settings, archive.studies.search_series, told.series)


def search_instances(
    request: Request, archive: ArchiveOf, settings: SettingsOf, study_uid: str = "", series_uid: str = ""
) -> Response:
    """All instances that match, of one series, one study or of all."""
    require_json(request)
    told = Told(request, archive, read_included(request))
    query = read_query(request, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
    note_query(request, archive, "instances")
    return _answer(query, settings, archive.studies.search_instances, told.instance)


def _answer(
    query: QidoQuery,
    settings: Settings,
    search: Callable[[QidoQuery], list[Record]],
    tell: Callable[[Record], JsonDataset],
) -> Response:
    """One page of matches, and a word if there are more than the node tells at once (PS3.18 8.3.4.4.1).

    No match is an empty list, not 204: Orthanc and whoever else parses every answer as JSON fail on that.
    """
    most = settings.web.maximum_results
    is_cut = query.limit is None or query.limit > most
    found = search(replace(query, limit=most + 1) if is_cut else query)
    headers = {"Warning": _MORE} if is_cut and len(found) > most else {}
    return JSONResponse([tell(record) for record in found[:most]], headers=headers, media_type=DICOM_JSON)
