"""A study's page: everything that is known of it. No patient names or IDs are shown."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Delivery, Evidence
from dicomnode.errors import NotFoundError
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf, check_uids
from dicomnode.web.dicomweb.media import DICOM
from dicomnode.web.pages.answers import JobAnswer, current_jobs, read_answer
from dicomnode.web.pages.frame import PagesOf, who


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """An evidence object and where it goes."""

    item: Evidence
    deliveries: tuple[Delivery, ...]


def add_study_routes(router: APIRouter) -> None:
    """A study, and the files that were made for it."""
    router.add_api_route("/studies/{study_uid}", study_page, methods=["GET"])
    router.add_api_route("/evidence/{name}", evidence_file, methods=["GET"])


def study_page(request: Request, archive: ArchiveOf, settings: SettingsOf, pages: PagesOf, study_uid: str) -> Response:
    """Everything that is known of one study."""
    check_uids(study_uid)
    record = archive.studies.record(study_uid)
    content = who(settings) | {
        "record": record,
        "answers": _answers(archive, study_uid),
        "evidence": _evidence_rows(archive, study_uid),
        "trace": archive.traces.list(study_uid),
    }
    return pages.show(request, "study.html", content)


def evidence_file(archive: ArchiveOf, name: str) -> Response:
    """An evidence object as a file, also one that the gate holds back."""
    sop_instance_uid = name.removesuffix(".dcm")
    check_uids(sop_instance_uid)
    item = archive.evidence.get(sop_instance_uid)
    if item is None:
        raise NotFoundError(f"evidence object {sop_instance_uid} was not made by this node")
    return FileResponse(item.path, media_type=DICOM, filename=f"{item.role}-{sop_instance_uid}.dcm")


def _answers(archive: Archive, study_uid: str) -> list[JobAnswer]:
    """The current answer of each model; one whose documents were recalled stays withdrawn when it is given again."""
    jobs = archive.jobs.list(study_uid)
    recalled = {item.job_id for item in archive.evidence.list(study_uid) if item.recall_id is not None}
    results = {job.result_json for job in jobs if job.job_id in recalled and job.result_json is not None}
    return [read_answer(job, withdrawn=job.result_json in results) for job in current_jobs(jobs)]


def _evidence_rows(archive: Archive, study_uid: str) -> list[EvidenceRow]:
    deliveries = defaultdict(list)
    for delivery in archive.deliveries.list(study_uid):
        deliveries[delivery.sop_instance_uid].append(delivery)
    return [EvidenceRow(item, tuple(deliveries[item.sop_instance_uid])) for item in archive.evidence.list(study_uid)]
