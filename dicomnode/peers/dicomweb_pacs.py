"""A PACS asked by DICOMweb: QIDO-RS and WADO-RS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from dicomnode.errors import PeerRefusedError
from dicomnode.peers.asking import HeldInstance, HeldStudy
from dicomnode.peers.dicomweb import DicomWebPeer, Item, number_of, text_of, uid_of
from dicomnode.settings import shown_url

_STUDY = (
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyDate",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
)
_FORBIDDEN = 403


class DicomWebPacs:
    """`Pacs` by DICOMweb.

    Args:
        peer: The PACS.
        fetches: Whether the node may fetch from it.
    """

    def __init__(self, peer: DicomWebPeer, fetches: bool) -> None:
        self._peer = peer
        self._fetches = fetches

    def study(self, study_instance_uid: str) -> HeldStudy | None:
        """The study, None if it is not there."""
        found = self._peer.search(None, {"StudyInstanceUID": study_instance_uid}, _STUDY, _held_study)
        return next((study for study in found if study.study_instance_uid == study_instance_uid), None)

    def studies_of_patient(self, patient_id: str, issuer_of_patient_id: str = "") -> list[HeldStudy]:
        """Every study of a patient."""
        found = self._peer.search(None, {"PatientID": patient_id}, _STUDY, _held_study)
        return [study for study in found if study.is_of(patient_id, issuer_of_patient_id)]

    def instances(self, study_instance_uid: str) -> list[HeldInstance]:
        """Every instance of a study."""
        return self._peer.search(study_instance_uid, {}, ("SOPClassUID",), _held_instance)

    def holds(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> bool:
        """Whether an instance is there."""
        match = {"SeriesInstanceUID": series_instance_uid, "SOPInstanceUID": sop_instance_uid}
        found = self._peer.search(study_instance_uid, match, (), _held_instance)
        return any(item.sop_instance_uid == sop_instance_uid for item in found)

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Instances as files in pieces."""
        if not self._fetches:
            raise PeerRefusedError(f"{shown_url(self._peer.url)}: its settings say retrieve = none", _FORBIDDEN)
        yield from self._peer.retrieve(study_instance_uid, series_instance_uid, sop_instance_uid)

    def close(self) -> None:
        """Close the connections."""
        self._peer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _held_study(item: Item) -> HeldStudy | None:
    uid = uid_of(item, "0020000D")
    if uid is None:
        return None
    modalities = item.get("00080061", {}).get("Value") or ()
    return HeldStudy(
        study_instance_uid=uid,
        patient_id=_stripped(item, "00100020"),
        issuer_of_patient_id=_stripped(item, "00100021"),
        patient_name=_stripped(item, "00100010"),
        patient_birth_date=_stripped(item, "00100030"),
        accession_number=_stripped(item, "00080050"),
        number_of_instances=number_of(item, "00201208"),
        study_date=_stripped(item, "00080020"),
        modalities=tuple(str(modality).strip() for modality in modalities if modality),
    )


def _held_instance(item: Item) -> HeldInstance | None:
    series, sop, sop_class = (uid_of(item, tag) for tag in ("0020000E", "00080018", "00080016"))
    return HeldInstance(series, sop, sop_class or "") if series and sop else None


def _stripped(item: Item, tag: str) -> str:
    # Padding is no part of a value; a file's text is read without it too
    return (text_of(item, tag) or "").strip(" \0")
