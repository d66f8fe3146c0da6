"""A PACS asked by DIMSE: C-FIND, C-GET or C-MOVE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from dicomnode.dicom.kinds import IMAGE_SOP_CLASSES
from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import PeerRefusedError
from dicomnode.peers.asking import HeldInstance, HeldStudy
from dicomnode.peers.association import SOP_CLASS_NOT_SUPPORTED, DimsePeer
from dicomnode.peers.query import Inquiry, Match, inquiry
from dicomnode.peers.retrieve import get, move, unique_keys

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


class DimsePacs:
    """`Pacs` by DIMSE; each question has an association of its own.

    Args:
        peer: The PACS, and the node's own AE title.
        fetched_by: How instances are fetched.
    """

    def __init__(self, peer: DimsePeer, fetched_by: Literal["c-get", "c-move", "none"]) -> None:
        self._peer = peer
        self._fetched_by = fetched_by
        self._classes: dict[str, frozenset[str]] = {}

    def study(self, study_instance_uid: str) -> HeldStudy | None:
        """The study, None if it is not there."""
        with inquiry(self._peer) as asked:
            answers = asked.ask("STUDY", {"StudyInstanceUID": study_instance_uid}, _STUDY)
        found = [_held_study(answer) for answer in answers]
        return next((study for study in found if study.study_instance_uid == study_instance_uid), None)

    def studies_of_patient(self, patient_id: str, issuer_of_patient_id: str = "") -> list[HeldStudy]:
        """Every study of a patient."""
        with inquiry(self._peer) as asked:
            answers = asked.ask("STUDY", {"PatientID": patient_id}, ("StudyInstanceUID", *_STUDY[1:]))
        found = [_held_study(answer) for answer in answers if valid_uid(answer["StudyInstanceUID"])]
        return [study for study in found if study.is_of(patient_id, issuer_of_patient_id)]

    def instances(self, study_instance_uid: str) -> list[HeldInstance]:
        """Every instance of a study."""
        with inquiry(self._peer) as asked:
            series = asked.ask("SERIES", {"StudyInstanceUID": study_instance_uid}, ("SeriesInstanceUID",))
            uids = dict.fromkeys(item["SeriesInstanceUID"] for item in series)
            held = [item for uid in uids if valid_uid(uid) for item in _instances(asked, study_instance_uid, uid)]
        self._classes[study_instance_uid] = frozenset(item.sop_class_uid for item in held)
        return held

    def holds(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> bool:
        """Whether an instance is there."""
        match = {
            "StudyInstanceUID": study_instance_uid,
            "SeriesInstanceUID": series_instance_uid,
            "SOPInstanceUID": sop_instance_uid,
        }
        with inquiry(self._peer) as asked:
            return any(answer["SOPInstanceUID"] == sop_instance_uid for answer in asked.ask("IMAGE", match, ()))

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Instances as files in pieces; nothing where they are moved."""
        identifier = unique_keys(study_instance_uid, series_instance_uid, sop_instance_uid)
        if self._fetched_by == "none":
            raise PeerRefusedError(f"{self._peer}: its settings say retrieve = none", SOP_CLASS_NOT_SUPPORTED)
        if self._fetched_by == "c-move":
            move(self._peer, identifier)
        else:
            yield from get(self._peer, self._expected(study_instance_uid), identifier)

    def close(self) -> None:
        """Nothing is kept open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _expected(self, study_instance_uid: str) -> frozenset[str]:
        """SOP classes that a C-GET has to offer; every image class where the peer does not tell."""
        if study_instance_uid not in self._classes:
            self.instances(study_instance_uid)
        told = self._classes[study_instance_uid]
        return told if told and all(map(valid_uid, told)) else IMAGE_SOP_CLASSES


def _instances(asked: Inquiry, study: str, series: str) -> Iterator[HeldInstance]:
    match = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    for answer in asked.ask("IMAGE", match, ("SOPInstanceUID", "SOPClassUID")):
        if valid_uid(answer["SOPInstanceUID"]):
            yield HeldInstance(series, answer["SOPInstanceUID"], answer["SOPClassUID"])


def _held_study(answer: Match) -> HeldStudy:
    number = answer["NumberOfStudyRelatedInstances"]
    return HeldStudy(
        study_instance_uid=answer["StudyInstanceUID"],
        patient_id=answer["PatientID"],
        issuer_of_patient_id=answer["IssuerOfPatientID"],
        patient_name=answer["PatientName"],
        patient_birth_date=answer["PatientBirthDate"],
        accession_number=answer["AccessionNumber"],
        number_of_instances=int(number) if number.isdigit() else None,
        study_date=answer["StudyDate"],
        modalities=tuple(text.strip() for text in answer["ModalitiesInStudy"].split("\\") if text.strip()),
    )
