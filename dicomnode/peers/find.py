"""C-FIND at the study level: what studies does a peer hold (PS3.4 Annex C, Study Root)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dicomnode.peers.association import DimsePeer
from dicomnode.peers.query import Match, inquiry, require_keywords

_RETURNED = (
    "StudyInstanceUID",
    "StudyDate",
    "ModalitiesInStudy",
    "StudyDescription",
    "PatientID",
    "PatientName",
    "AccessionNumber",
    "NumberOfStudyRelatedInstances",
)


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study that a peer says it holds; values as it wrote them, empty if it does not tell.

    Attributes:
        study_instance_uid: (0020,000D).
        study_date: (0008,0020).
        modalities: (0008,0061).
        description: (0008,1030).
        patient_id: (0010,0020).
        patient_name: (0010,0010).
        accession_number: (0008,0050).
        number_of_instances: (0020,1208).
    """

    study_instance_uid: str
    study_date: str
    modalities: tuple[str, ...]
    description: str
    patient_id: str
    patient_name: str
    accession_number: str
    number_of_instances: str


def find_studies(peer: DimsePeer, match: Mapping[str, str], limit: int | None = None) -> list[FoundStudy]:
    """Ask for studies.

    Args:
        peer: Who is asked.
        match: Matching keys of the study level by keyword, such as ``{"StudyDate": "20260101-"}`` (PS3.4 C.2.2.2).
        limit: Most studies wanted; the peer is then told to stop.

    Raises:
        UsageError: A keyword is not in PS3.6.
        PeerUnavailableError: No association, or it ended before the answer was whole.
        PeerRefusedError: The peer answered with a failure.
    """
    require_keywords(match)
    with inquiry(peer) as asked:
        return [_found(answer) for answer in asked.ask("STUDY", match, _RETURNED, limit)]


def _found(answer: Match) -> FoundStudy:
    modalities = answer["ModalitiesInStudy"]
    return FoundStudy(
        study_instance_uid=answer["StudyInstanceUID"],
        study_date=answer["StudyDate"],
        modalities=tuple(modality.strip() for modality in modalities.split("\\")) if modalities else (),
        description=answer["StudyDescription"],
        patient_id=answer["PatientID"],
        patient_name=answer["PatientName"],
        accession_number=answer["AccessionNumber"],
        number_of_instances=answer["NumberOfStudyRelatedInstances"],
    )
