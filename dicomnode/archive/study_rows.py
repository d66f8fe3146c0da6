"""What came in, as values: origins, instances, studies, searches, traces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dicomnode.study import Instance


class Way(StrEnum):
    """How an instance came in."""

    C_STORE = "c-store"
    STOW = "stow"
    POLL = "poll"
    FETCH = "fetch"
    PRIOR = "prior"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an instance came from.

    Attributes:
        way: Service that brought it.
        calling_ae_title: AE title of the sender, empty over HTTP.
        called_ae_title: AE title it was sent to; a poller's setting or empty over HTTP.
        peer: Address of the sender or name of the poller.
    """

    way: Way
    calling_ae_title: str = ""
    called_ae_title: str = ""
    peer: str = ""


class Kind(StrEnum):
    """What an instance means to the node."""

    SOURCE = "source"  # what modalities make: opens a study
    DOCUMENT = "document"  # other people's SR, SEG, KO, PR: opens no study
    OWN = "own"  # the node's evidence, made here or by another dicomnode
    IDENTITY_CONFLICT = "identity_conflict"  # kept aside, never analysed nor shown, until somebody settles it
    DISCARDED = "discarded"  # kept aside for good: an administrator said that it is of another patient


ASIDE = (Kind.IDENTITY_CONFLICT, Kind.DISCARDED)


class StoredStatus(StrEnum):
    """What became of an instance that was handed in; each of them means that its bytes are safe."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OWN = "own"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Stored:
    """Answer to a stored instance.

    Attributes:
        instance: As indexed; of a duplicate, the one that was here first.
        status: New, duplicate, the node's own coming back, or quarantined (other Patient ID).
        study_generation: Completions of its study so far.
    """

    instance: Instance
    status: StoredStatus
    study_generation: int


class StudyState(StrEnum):
    """Whether instances are still awaited."""

    OPEN = "open"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class PatientStudy:
    """Patient and study attributes (PS3.3 C.7.1.1, C.7.2.1) as QIDO-RS shows them, empty if absent."""

    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    issuer_of_patient_id: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    referring_physician_name: str = ""


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study in the index.

    Attributes:
        study_instance_uid: (0020,000D).
        state: Open while instances are awaited.
        generation: Completions so far; 0 for a study that never held an image, or is open for the first time.
        routed_generation: The last generation that routing has decided on.
        first_arrival: When the current (or last) open period began.
        last_arrival: Last new instance.
        completed_at: Last completion, or None.
        identity_conflict: Why patient identity cannot be trusted (no PHI), or None.
        source_instances: Source instances and other people's objects.
        number_of_series: With the node's own evidence, (0020,1206).
        number_of_instances: With the node's own evidence, (0020,1208).
        modalities: (0008,0061), sorted.
        sop_classes: (0008,0062), sorted.
        attributes: Patient and study attributes.
        quarantined: Why no model is given this study any more, or None.
    """

    study_instance_uid: str
    state: StudyState
    generation: int
    routed_generation: int
    first_arrival: datetime
    last_arrival: datetime
    completed_at: datetime | None
    identity_conflict: str | None
    source_instances: int
    number_of_series: int
    number_of_instances: int
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...]
    attributes: PatientStudy
    quarantined: str | None = None


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """A series in the index, for QIDO-RS.

    Attributes:
        performed_procedure_step_start_date: (0040,0244), empty if absent.
        performed_procedure_step_start_time: (0040,0245), empty if absent.
        scheduled_procedure_step_id: (0040,0009) of the first item of Request Attributes (0040,0275), empty if absent.
        requested_procedure_id: (0040,1001) of that item, empty if absent.
    """

    series_instance_uid: str
    study: StudyRecord
    modality: str
    series_number: int | None
    series_description: str
    body_part_examined: str
    manufacturer_model_name: str
    number_of_instances: int
    performed_procedure_step_start_date: str = ""
    performed_procedure_step_start_time: str = ""
    scheduled_procedure_step_id: str = ""
    requested_procedure_id: str = ""


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """An instance in the index, for QIDO-RS and WADO-RS.

    Attributes:
        instance: UIDs and the stored file.
        series: Its series.
        rows: (0028,0010) or None.
        columns: (0028,0011) or None.
        kind: Source, document or the node's own.
    """

    instance: Instance
    series: SeriesRecord
    rows: int | None
    columns: int | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class QidoQuery:
    """A QIDO-RS search (PS3.18 8.3.4).

    Attributes:
        match: Pairs of keyword and value; values are combined by AND.
        limit: Most rows wanted, None for all.
        offset: Rows to skip.
        fuzzy: Names are found by the beginnings of their words too, whatever their case and accents.
    """

    match: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    offset: int = 0
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class OpenStudy:
    """A study that awaits instances, as completion sees it.

    Attributes:
        study_instance_uid: (0020,000D).
        first_arrival: When this open period began.
        last_arrival: Last new instance.
        arrivals: New instances ever; tells whether one came in between.
        open_associations: Associations that brought instances of it and are not released yet.
        last_released: When the last of its associations ended, None if there was none.
        generation: Completions so far.
        ended_once: Whether one association brought all of it, and was released.
    """

    study_instance_uid: str
    first_arrival: datetime
    last_arrival: datetime
    arrivals: int
    open_associations: int = 0
    last_released: datetime | None = None
    generation: int = 0
    ended_once: bool = False


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One line of a study's trace."""

    study_instance_uid: str
    generation: int
    event: str
    model_name: str | None
    text: str
    at: datetime
