"""Studies as people look for them. Patient names are never shown; patient IDs are looked for and not shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import JobState, StudyState
from dicomnode.archive.study_list import JobLine, Standing, StudyFilter, StudyLine
from dicomnode.findings import Outcome
from dicomnode.web.auditing import note_list
from dicomnode.web.dicomweb.addresses import ArchiveOf

STUDIES = "/api/v1/studies"
MOST = 200

_Text = Annotated[str, Query(max_length=64)]
_Date = Annotated[str, Query(pattern=r"^(\d{4}-?\d{2}-?\d{2})?$")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True)


class StudyJob(_Body):
    """A model's last job on a study.

    Attributes:
        outcome: How it ended; none while it has not.
        score: 0..1, of an answer that has one.
        silent: Computed and shown here, never sent.
    """

    job_id: int
    model: str
    state: JobState
    outcome: str | None
    score: float | None
    silent: bool
    finished: datetime | None


class StudySummary(_Body):
    """A study in a line.

    Attributes:
        standing: As one of the words that are searched by.
        images: Source images that are here.
        first_arrival: When its first image came.
        last_arrival: When its last image came.
        completions: How often it was complete; 0 while its first images come.
    """

    study_instance_uid: str
    standing: Standing
    state: StudyState
    description: str
    study_date: str
    accession_number: str
    modalities: list[str]
    images: int
    first_arrival: datetime
    last_arrival: datetime
    completions: int
    jobs: list[StudyJob]


class StudyPage(_Body):
    """A part of the list.

    Attributes:
        more: Whether there are studies after these.
    """

    studies: list[StudySummary]
    offset: int
    more: bool


def read_filter(
    q: Annotated[str, Query(max_length=64, description="Beginning of a Study UID, accession number, patient ID")] = "",
    standing: Standing | Literal[""] = "",
    modality: _Text = "",
    model: Annotated[str, Query(max_length=255)] = "",
    outcome: Outcome | Literal[""] = "",
    first: _Date = "",
    last: _Date = "",
) -> StudyFilter:
    """What is looked for, from the address; empty words of a form count as none."""
    return StudyFilter(
        search=q.strip(),
        standing=Standing(standing) if standing else None,
        modality=modality.strip(),
        model=model.strip(),
        outcome=str(outcome),
        first_date=first.replace("-", ""),
        last_date=last.replace("-", ""),
    )


FilterOf = Annotated[StudyFilter, Depends(read_filter)]
OffsetOf = Annotated[int, Query(ge=0, lt=10**9)]
LimitOf = Annotated[int, Query(ge=1, le=MOST)]


def add_studies_api(router: APIRouter) -> None:
    """The list."""
    router.add_api_route(STUDIES, studies, methods=["GET"], response_model=StudyPage)


def studies(
    request: Request, archive: ArchiveOf, wanted: FilterOf, limit: LimitOf = 50, offset: OffsetOf = 0
) -> StudyPage:
    """Studies that fit, the latest arrival first."""
    return find_studies(request, archive, wanted, limit, offset)


def find_studies(request: Request, archive: Archive, wanted: StudyFilter, limit: int, offset: int) -> StudyPage:
    """A part of the list; what is searched by is written into the audit, without the values."""
    note_list(request, archive, wanted)
    found = archive.study_list.find(wanted, limit + 1, offset)
    summaries = [_summary(line) for line in found[:limit]]
    return StudyPage(studies=summaries, offset=offset, more=len(found) > limit)


def _summary(line: StudyLine) -> StudySummary:
    record = line.record
    return StudySummary(
        study_instance_uid=record.study_instance_uid,
        standing=_standing(line),
        state=record.state,
        description=record.attributes.study_description,
        study_date=record.attributes.study_date,
        accession_number=record.attributes.accession_number,
        modalities=list(record.modalities),
        images=record.source_instances,
        first_arrival=record.first_arrival,
        last_arrival=record.last_arrival,
        completions=record.generation,
        jobs=[_job(job) for job in line.jobs],
    )


def _standing(line: StudyLine) -> Standing:
    """The first of these that is so."""
    if line.record.identity_conflict:
        return Standing.CONFLICT
    if line.record.quarantined:
        return Standing.QUARANTINED
    if line.record.state is StudyState.OPEN:
        return Standing.OPEN
    states = {job.state for job in line.jobs}
    for state, standing in (
        (JobState.LEASED, Standing.LEASED),
        (JobState.WAITING, Standing.WAITING),
        (JobState.FAILED, Standing.FAILED),
    ):
        if state in states:
            return standing
    return Standing.COMPLETE


def _job(job: JobLine) -> StudyJob:
    return StudyJob(
        job_id=job.job_id,
        model=job.model_name,
        state=job.state,
        outcome=job.outcome,
        score=job.score,
        silent=job.silent,
        finished=job.finished_at,
    )
