"""What a PACS is asked about a study: whose it is, how many instances it holds, and which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class HeldStudy:
    """A study as a PACS holds it; texts as it wrote them, empty where it does not tell.

    Attributes:
        study_instance_uid: (0020,000D).
        patient_id: (0010,0020).
        issuer_of_patient_id: (0010,0021).
        patient_name: (0010,0010), every component group.
        patient_birth_date: (0010,0030).
        accession_number: (0008,0050).
        number_of_instances: (0020,1208), None if it does not tell.
        study_date: (0008,0020).
        modalities: (0008,0061).
    """

    study_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    accession_number: str
    number_of_instances: int | None
    study_date: str = ""
    modalities: tuple[str, ...] = ()

    def is_of(self, patient_id: str, issuer_of_patient_id: str = "") -> bool:
        """Whether the patient is this one: same Patient ID, and no other issuer where both are told."""
        issuers = {issuer_of_patient_id, self.issuer_of_patient_id} - {""}
        return self.patient_id == patient_id and len(issuers) < 2


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """An instance that a PACS holds.

    Attributes:
        series_instance_uid: (0020,000E).
        sop_instance_uid: (0008,0018).
        sop_class_uid: (0008,0016), empty where it does not tell.
    """

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str = ""


class Pacs(Protocol):
    """A PACS that can be asked, by DICOMweb or by DIMSE; use it in one thread.

    Every method raises `PeerUnavailableError` while it is away, and `PeerRefusedError` if it will not answer.
    """

    def study(self, study_instance_uid: str) -> HeldStudy | None:
        """The study, None if it is not there."""
        ...

    def studies_of_patient(self, patient_id: str, issuer_of_patient_id: str = "") -> list[HeldStudy]:
        """Every study whose Patient ID is this one, letter for letter.

        Studies that name another issuer are left out where an issuer is given; those that name none are not.
        """
        ...

    def instances(self, study_instance_uid: str) -> list[HeldInstance]:
        """Every instance of a study."""
        ...

    def holds(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> bool:
        """Whether an instance is there."""
        ...

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Instances of a study, of a series, or one, as files (PS3.10) in pieces.

        Each must be read, or left, before the next is asked for. A peer that moves instead (C-MOVE to the node's own
        listener) gives nothing here: what it moves arrives by C-STORE.
        """
        ...

    def close(self) -> None:
        """Close what is open."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
