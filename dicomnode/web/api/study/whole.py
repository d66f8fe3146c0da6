"""A study at a glance: what it is, where it stands, what may be done with it."""

from __future__ import annotations

from datetime import datetime

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import DeliveryState, JobState, ProofState, StudyRecord, StudyState
from dicomnode.web.api.views import View

_AT_WORK = (JobState.WAITING, JobState.LEASED)
_ON_THE_WAY = (DeliveryState.WAITING, DeliveryState.SENDING)
_TO_BE_PROVEN = (ProofState.PENDING, ProofState.REQUESTED)


class StudyView(View):
    """A study; no patient's name or ID.

    ``generation`` counts its completions. ``identity_conflict`` and ``quarantined`` say why no model is run on it.
    ``in_flight``: something of it is still under way, so that what is shown will change.
    """

    study_uid: str
    state: str
    description: str
    date: str
    accession_number: str
    modalities: tuple[str, ...]
    series: int
    images: int
    generation: int
    first_arrival: datetime
    last_arrival: datetime
    completed_at: datetime | None
    identity_conflict: str | None
    quarantined: str | None
    in_flight: bool


def study_of(archive: Archive, record: StudyRecord) -> StudyView:
    """A study's record as a view."""
    attributes = record.attributes
    return StudyView(
        study_uid=record.study_instance_uid,
        state=record.state,
        description=attributes.study_description,
        date=attributes.study_date,
        accession_number=attributes.accession_number,
        modalities=record.modalities,
        series=record.number_of_series,
        images=record.source_instances,
        generation=record.generation,
        first_arrival=record.first_arrival,
        last_arrival=record.last_arrival,
        completed_at=record.completed_at,
        identity_conflict=record.identity_conflict,
        quarantined=record.quarantined,
        in_flight=_in_flight(archive, record),
    )


def _in_flight(archive: Archive, record: StudyRecord) -> bool:
    study_uid = record.study_instance_uid
    if record.state is StudyState.OPEN or record.generation > record.routed_generation:
        return True
    if any(job.state in _AT_WORK for job in archive.jobs.list(study_uid)):
        return True
    deliveries = archive.deliveries.list(study_uid)
    return any(item.state in _ON_THE_WAY or item.proof in _TO_BE_PROVEN for item in deliveries)
