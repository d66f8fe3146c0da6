"""The audit trail for programs: entries, and whether their chain is whole."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from dicomnode.archive.archive import Archive
from dicomnode.dicom.audit import AuditEntry, AuditKind
from dicomnode.web.dicomweb.addresses import ArchiveOf

Words = Annotated[str, Query(max_length=128, description="Only entries whose event, detail or actor holds this.")]
Before = Annotated[int | None, Query(ge=0, lt=2**31, description="Only those with a lower number: the next page.")]


class AuditBody(BaseModel):
    """An entry of the trail (PS3.15 A.5).

    Attributes:
        outcome: EventOutcomeIndicator: 0 success, 4 minor, 8 serious, 12 major failure.
        studies: Study Instance UIDs of what it was about.
    """

    model_config = ConfigDict(frozen=True)

    audit_id: int
    at: datetime
    kind: AuditKind
    event: str
    detail: str
    actor: str
    outcome: int
    studies: tuple[str, ...]


class AuditList(BaseModel):
    """A page of the trail, newest first; ``before`` asks for the next one, and is null on the last."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[AuditBody, ...]
    before: int | None


class AuditChain(BaseModel):
    """Whether the chain of digests is whole; ``problem`` says where it breaks first."""

    model_config = ConfigDict(frozen=True)

    whole: bool
    problem: str


def add_audit_api(router: APIRouter) -> None:
    """What an administrator must be able to look up."""
    router.add_api_route("/api/v1/audit", list_audit, methods=["GET"], response_model=AuditList)
    router.add_api_route("/api/v1/audit/chain", check_chain, methods=["GET"], response_model=AuditChain)


def list_audit(
    archive: ArchiveOf,
    kind: AuditKind | None = None,
    words: Words = "",
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> AuditList:
    """Entries of the audit trail, newest first."""
    return newest_entries(archive, limit, before, kind, words)


def newest_entries(
    archive: Archive, limit: int, before: int | None = None, kind: AuditKind | None = None, words: str = ""
) -> AuditList:
    """A page of the trail."""
    found = archive.audit.list(limit + 1, before=before, kind=kind, words=words)
    page = tuple(_body(entry) for entry in found[:limit])
    return AuditList(entries=page, before=page[-1].audit_id if len(found) > limit else None)


def check_chain(archive: ArchiveOf) -> AuditChain:
    """Compute every digest of the trail anew."""
    problem = archive.audit.first_break()
    return AuditChain(whole=problem is None, problem=problem or "")


def _body(entry: AuditEntry) -> AuditBody:
    return AuditBody(
        audit_id=entry.audit_id,
        at=entry.at,
        kind=entry.kind,
        event=entry.event,
        detail=entry.detail,
        actor=entry.actor,
        outcome=int(entry.outcome),
        studies=tuple(item.study_instance_uid for item in entry.objects),
    )
