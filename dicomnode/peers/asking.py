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
    """

    study_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    accession_number: str
    number_of_instances: int | None


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """An instance that a PACS holds."""

    series_instance_uid: str
    sop_instance_uid: str


class Pacs(Protocol):
    """A PACS that can be asked, by DICOMweb or by DIMSE; use it in one thread.

    Every method raises `PeerUnavailableError` while it is away, and `PeerRefusedError` if it will not answer.
    """

    def study(self, study_instance_uid: str) -> HeldStudy | None:
        """The study, None if it is not there."""
        ...

    def studies_of_patient(self, patient_id: str, issuer_of_patient_id: str = "") -> list[HeldStudy]:
        """Every study of a patient."""
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
