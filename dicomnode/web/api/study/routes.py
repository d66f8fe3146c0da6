"""The routes of a study under /api/v1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import StudyRecord
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.study import actions
from dicomnode.web.api.study.contents import ContentsView, contents_of
from dicomnode.web.api.study.download import evidence_zip, files_zip
from dicomnode.web.api.study.evidence import EvidenceView, evidence_of
from dicomnode.web.api.study.pictures import frame_png, saliency_list, saliency_png, slide_png
from dicomnode.web.api.study.results import ResultView, results_of
from dicomnode.web.api.study.series import SeriesView, SliceView, stack_of, stacks_of
from dicomnode.web.api.study.story import TraceView, story_of
from dicomnode.web.api.study.whole import StudyView, study_of
from dicomnode.web.auditing import note_access
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf, check_uids

STUDY_API = "/api/v1/studies/{study_uid}"
Endpoints: TypeAlias = Mapping[str, Callable[..., Any]]
Statuses: TypeAlias = dict[int | str, dict[str, Any]]
_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
_PICTURE_STATUS: Statuses = {304: {"description": "The browser has it."}, 406: _PROBLEM}
_DO_STATUS: Statuses = {409: {"description": "It does not fit how things stand.", **_PROBLEM}}


def add_study_api(router: APIRouter) -> None:
    """What is known of a study, its pictures and files, and what can be done with it."""
    for path, endpoint in _READ.items():
        router.add_api_route(f"{STUDY_API}{path}", endpoint, methods=["GET"])
    for path, endpoint in _PICTURES.items():
        router.add_api_route(f"{STUDY_API}{path}", endpoint, methods=["GET"], **_of_type("image/png", _PICTURE_STATUS))
    for path, endpoint in _PACKS.items():
        router.add_api_route(f"{STUDY_API}{path}", endpoint, methods=["GET"], **_of_type("application/zip", {}))
    for path, endpoint in _DO.items():
        router.add_api_route(f"{STUDY_API}{path}", endpoint, methods=["POST"], responses=_DO_STATUS)


def _of_type(media_type: str, statuses: Statuses) -> dict[str, Any]:
    """How a route is described that answers with a file."""
    content: dict[str, Any] = {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}
    return {"response_model": None, "response_class": Response, "responses": {200: content, **statuses}}


def _given_out(request: Request, archive: Archive, study_uid: str) -> StudyRecord:
    """A study that somebody is told of; who that is, is written down as for its page."""
    check_uids(study_uid)
    record = archive.studies.record(study_uid)
    note_access(request, archive, study_uid, "API")
    return record


def study(request: Request, archive: ArchiveOf, study_uid: str) -> StudyView:
    """A study at a glance."""
    return study_of(archive, _given_out(request, archive, study_uid))


def trace(request: Request, archive: ArchiveOf, study_uid: str) -> TraceView:
    """What happened to a study, and of every model why it ran or did not."""
    return story_of(archive, _given_out(request, archive, study_uid))


def findings(request: Request, archive: ArchiveOf, study_uid: str) -> tuple[ResultView, ...]:
    """What the models answered, with every finding and its outlines; current results first."""
    _given_out(request, archive, study_uid)
    return results_of(archive, study_uid)


def evidence(request: Request, archive: ArchiveOf, study_uid: str) -> tuple[EvidenceView, ...]:
    """The evidence objects, with the gate's word and their deliveries."""
    _given_out(request, archive, study_uid)
    return evidence_of(archive, study_uid)


def evidence_tree(request: Request, archive: ArchiveOf, study_uid: str, sop_uid: str) -> ContentsView:
    """What an evidence object says: a report's content tree, a segmentation's segments, and the gate's verdict now."""
    check_uids(sop_uid)
    _given_out(request, archive, study_uid)
    return contents_of(archive, study_uid, sop_uid)


def series(request: Request, archive: ArchiveOf, study_uid: str) -> tuple[SeriesView, ...]:
    """The series that hold images."""
    _given_out(request, archive, study_uid)
    return tuple(stack.view for stack in stacks_of(archive, study_uid))


def slices(request: Request, archive: ArchiveOf, study_uid: str, series_uid: str) -> tuple[SliceView, ...]:
    """The images of a series in order, each with the address of its picture."""
    check_uids(series_uid)
    _given_out(request, archive, study_uid)
    return tuple(stack_of(stacks_of(archive, study_uid), series_uid).slices())


def run_again(
    request: Request, archive: ArchiveOf, study_uid: str, order: actions.RunAgain, now: NowOf
) -> actions.Accepted:
    """Have models look at the study once more."""
    check_uids(study_uid)
    return actions.run_again(request, archive, study_uid, order, now)


def retry(request: Request, archive: ArchiveOf, study_uid: str, order: actions.Retry, now: NowOf) -> actions.Accepted:
    """Try again a failed job, a delivery, or all of the study that did not end well."""
    check_uids(study_uid)
    return actions.retry(request, archive, study_uid, order, now)


def send(
    request: Request, archive: ArchiveOf, settings: SettingsOf, study_uid: str, order: actions.Send, now: NowOf
) -> tuple[actions.SentView, ...]:
    """Send evidence to targets, again or for the first time."""
    check_uids(study_uid, *order.evidence)
    return actions.send(request, archive, settings, study_uid, order, now)


def release(request: Request, archive: ArchiveOf, study_uid: str, now: NowOf) -> actions.Accepted:
    """Release the study from quarantine."""
    check_uids(study_uid)
    return actions.release_study(request, archive, study_uid, now)


_READ: Endpoints = {
    "": study,
    "/trace": trace,
    "/findings": findings,
    "/evidence": evidence,
    "/evidence/{sop_uid}/tree": evidence_tree,
    "/series": series,
    "/series/{series_uid}/slices": slices,
    "/results/{result}/saliency": saliency_list,
}
_PICTURES: Endpoints = {
    "/images/{sop_uid}/slide.png": slide_png,
    "/images/{sop_uid}/{frame}.png": frame_png,
    "/results/{result}/saliency/{number}.png": saliency_png,
}
_PACKS: Endpoints = {
    "/evidence.zip": evidence_zip,
    "/files.zip": files_zip,
}
_DO: Endpoints = {
    "/run-again": run_again,
    "/retry": retry,
    "/send": send,
    "/release": release,
}
