"""C-FIND at the study level: what studies does a peer hold (PS3.4 Annex C, Study Root)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pynetdicom import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from dicomnode.errors import PeerRefusedError, PeerUnavailableError, UsageError
from dicomnode.peers.association import DimsePeer, associated

_SUCCESS = 0x0000
_CANCELLED = 0xFE00
_PENDING = (0xFF00, 0xFF01)
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
    identifier = _identifier(match)
    found: list[FoundStudy] = []
    with associated(peer, [build_context(StudyRootQueryRetrieveInformationModelFind)]) as association:
        answers = association.send_c_find(identifier, StudyRootQueryRetrieveInformationModelFind, msg_id=1)
        for answer in _matches(peer, answers):
            if limit is None or len(found) < limit:
                found.append(_found(answer))
                if len(found) == limit:
                    association.send_c_cancel(1, query_model=StudyRootQueryRetrieveInformationModelFind)
    return found


def _identifier(match: Mapping[str, str]) -> Dataset:
    unknown = [keyword for keyword in match if tag_for_keyword(keyword) is None]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no keyword of PS3.6; write it like StudyDate or PatientID")
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    for keyword in _RETURNED:
        setattr(identifier, keyword, None)
    for keyword, value in match.items():
        setattr(identifier, keyword, value)
    if not all(value.isascii() for value in match.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    return identifier


def _matches(peer: DimsePeer, answers: Iterable[tuple[Dataset, Dataset | None]]) -> Iterator[Dataset]:
    for status, identifier in answers:
        if "Status" not in status:
            raise PeerUnavailableError(
                f"{peer}: the association ended before the answer was whole; may {peer.calling_ae_title} search there?"
            )
        if status.Status in _PENDING:
            if identifier is not None:
                yield identifier
        elif status.Status not in (_SUCCESS, _CANCELLED):
            raise PeerRefusedError(f"{peer}: refused the search with status 0x{status.Status:04X}", status.Status)


def _found(answer: Dataset) -> FoundStudy:
    modalities = answer.get("ModalitiesInStudy") or ()
    return FoundStudy(
        study_instance_uid=_text(answer, "StudyInstanceUID"),
        study_date=_text(answer, "StudyDate"),
        modalities=(modalities,) if isinstance(modalities, str) else tuple(modalities),
        description=_text(answer, "StudyDescription"),
        patient_id=_text(answer, "PatientID"),
        patient_name=_text(answer, "PatientName"),
        accession_number=_text(answer, "AccessionNumber"),
        number_of_instances=_text(answer, "NumberOfStudyRelatedInstances"),
    )


def _text(answer: Dataset, keyword: str) -> str:
    value = answer.get(keyword)
    return "" if value is None else str(value)
