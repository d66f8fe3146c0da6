"""A study's page: everything that is known of it, and what can be done with it. No patient names or IDs are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from pydantic import ValidationError

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import StudyRecord
from dicomnode.errors import DicomNodeError, NotFoundError, StateError, UsageError
from dicomnode.settings import Settings
from dicomnode.web.access.forms import Form, FormOf
from dicomnode.web.access.guard import NowOf, wants_page
from dicomnode.web.api.study import actions
from dicomnode.web.api.study.contents import contents_of
from dicomnode.web.api.study.evidence import evidence_of
from dicomnode.web.api.study.results import results_of
from dicomnode.web.api.study.series import stacks_of
from dicomnode.web.api.study.story import story_of
from dicomnode.web.api.study.whole import study_of
from dicomnode.web.auditing import note_access
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf, check_uids
from dicomnode.web.dicomweb.media import DICOM
from dicomnode.web.pages.frame import Pages, PagesOf, who
from dicomnode.web.pages.study_pictures import Pinboard
from dicomnode.web.pages.study_scroller import Place, scroller
from dicomnode.web.problems import status_of

STUDY = "/studies/{study_uid}"


def add_study_routes(router: APIRouter) -> None:
    """A study, what it says in its documents, and its buttons."""
    router.add_api_route(STUDY, study_page, methods=["GET"])
    router.add_api_route(f"{STUDY}/evidence/{{sop_uid}}", contents_page, methods=["GET"])
    router.add_api_route("/evidence/{name}", evidence_file, methods=["GET"])
    router.add_api_route(f"{STUDY}/run-again", run_again, methods=["POST"])
    router.add_api_route(f"{STUDY}/retry", retry, methods=["POST"])
    router.add_api_route(f"{STUDY}/send", send, methods=["POST"])
    router.add_api_route(f"{STUDY}/release", release, methods=["POST"])


def study_page(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    pages: PagesOf,
    study_uid: str,
    series: Annotated[str, Query(max_length=64)] = "",
    slice_: Annotated[int, Query(alias="slice", ge=1, le=10**6)] = 1,
    window: Annotated[str, Query(max_length=24)] = "stored",
) -> Response:
    """Everything that is known of one study."""
    check_uids(study_uid, *([series] if series else []))
    record = archive.studies.record(study_uid)
    note_access(request, archive, study_uid, "page")
    place = Place(series, slice_, window)
    return pages.show(request, "study.html", _content(archive, settings, record, place))


def _content(archive: Archive, settings: Settings, record: StudyRecord, place: Place) -> dict[str, object]:
    study_uid = record.study_instance_uid
    results, stacks = results_of(archive, study_uid), stacks_of(archive, study_uid)
    board = Pinboard(stacks, results)
    current = [result for result in results if result.current]
    return who(settings) | {
        "study": study_of(archive, record),
        "current": [(result, board.keys(result)) for result in current],
        "earlier": [result for result in results if not result.current],
        "evidence": evidence_of(archive, study_uid),
        "trace": story_of(archive, record),
        "scroller": scroller(board, stacks, place),
        "targets": [target.name for target in settings.targets],
        "models": [one.model_name for one in archive.deployments.list() if one.state != "off"],
        "problem": "",
    }


def contents_page(
    request: Request, archive: ArchiveOf, settings: SettingsOf, pages: PagesOf, study_uid: str, sop_uid: str
) -> Response:
    """What an evidence object says: a report's tree, a segmentation's segments, and the gate's verdict."""
    check_uids(study_uid, sop_uid)
    found = contents_of(archive, study_uid, sop_uid)
    item = next(one for one in evidence_of(archive, study_uid) if one.sop_uid == sop_uid)
    note_access(request, archive, study_uid, "page")
    content = {"item": item, "contents": found, "contents_study": study_uid}
    return pages.show(request, "study_contents.html", who(settings) | content)


def evidence_file(request: Request, archive: ArchiveOf, name: str) -> Response:
    """An evidence object as a file, also one that the gate holds back."""
    sop_instance_uid = name.removesuffix(".dcm")
    check_uids(sop_instance_uid)
    item = archive.evidence.get(sop_instance_uid)
    if item is None:
        raise NotFoundError(f"evidence object {sop_instance_uid} was not made by this node")
    note_access(request, archive, item.study_instance_uid, "page")
    return FileResponse(item.path, media_type=DICOM, filename=f"{item.role}-{sop_instance_uid}.dcm")


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button of a study's page that somebody pressed, and all that may be needed to do what it says."""

    request: Request
    archive: Archive
    settings: Settings
    pages: Pages
    study_uid: str
    form: Form
    now: datetime

    def done(self, do: Callable[[], object]) -> Response:
        """Do what it asks for; the page comes back, with what was wrong if it was."""
        check_uids(self.study_uid)
        record = self.archive.studies.record(self.study_uid)
        try:
            do()
        except (DicomNodeError, ValidationError) as error:
            known = error if isinstance(error, DicomNodeError) else UsageError("this is no form of this page")
            if not wants_page(self.request):
                raise known from None
            content = _content(self.archive, self.settings, record, Place()) | {"problem": str(known)}
            return self.pages.show(self.request, "study.html", content, status_of(known))
        return RedirectResponse(f"/studies/{self.study_uid}", HTTPStatus.SEE_OTHER)


def _pressed(
    request: Request,
    archive: ArchiveOf,
    settings: SettingsOf,
    pages: PagesOf,
    study_uid: str,
    form: FormOf,
    now: NowOf,
) -> Pressed:
    return Pressed(request, archive, settings, pages, study_uid, form, now)


PressedOf = Annotated[Pressed, Depends(_pressed)]


def run_again(pressed: PressedOf) -> Response:
    """Have models look at the study once more."""

    def do() -> None:
        order = actions.RunAgain(model=pressed.form.get("model", ""), silent=pressed.form.get("silent") == "yes")
        actions.run_again(pressed.request, pressed.archive, pressed.study_uid, order, pressed.now)

    return pressed.done(do)


def retry(pressed: PressedOf) -> Response:
    """Try again what did not end well."""

    def do() -> None:
        order = actions.Retry(job=_number(pressed.form, "job"), delivery=_number(pressed.form, "delivery"))
        actions.retry(pressed.request, pressed.archive, pressed.study_uid, order, pressed.now)

    return pressed.done(do)


def send(pressed: PressedOf) -> Response:
    """Send evidence to a target."""

    def do() -> None:
        one = pressed.form.get("evidence", "")
        order = actions.Send(targets=(pressed.form.get("target", ""),), evidence=(one,) if one else ())
        about = (pressed.request, pressed.archive, pressed.settings, pressed.study_uid)
        sent = actions.send(*about, order, pressed.now)
        if not any(item.is_queued for item in sent):
            raise StateError(f"nothing is sent: {sent[0].reason}")

    return pressed.done(do)


def release(pressed: PressedOf) -> Response:
    """Release the study from quarantine."""

    def do() -> None:
        actions.release_study(pressed.request, pressed.archive, pressed.study_uid, pressed.now)

    return pressed.done(do)


def _number(form: Form, name: str) -> int | None:
    text = form.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 12 else None
