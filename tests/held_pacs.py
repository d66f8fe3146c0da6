"""A PACS that a test fills, as the node asks it; nothing is sent over a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Self

from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.errors import PeerRefusedError
from dicomnode.peers.asking import HeldInstance, HeldStudy


@dataclass
class HeldPacs:
    """Holds files; implements `dicomnode.peers.asking.Pacs`.

    Attributes:
        files: What it holds, by SOP Instance UID.
        withheld: UIDs that it lists and does not give.
        trouble: Raised by every question.
        asked: How often it was asked for a study.
        given: UIDs in the order in which they were given.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)
    trouble: Exception | None = None
    asked: int = 0
    given: list[str] = field(default_factory=list)

    def add(self, *files: bytes) -> Self:
        for content in files:
            self.files[read_header(BytesIO(content)).sop_instance_uid] = content
        return self

    def study(self, study_instance_uid: str) -> HeldStudy | None:
        self.asked += 1
        self._answer()
        found = self._headers(study_instance_uid)
        return _held_study(found) if found else None

    def studies_of_patient(self, patient_id: str, issuer_of_patient_id: str = "") -> list[HeldStudy]:
        self._answer()
        studies = {header.study_instance_uid for header in map(_header, self.files.values())}
        found = [_held_study(self._headers(uid)) for uid in sorted(studies)]
        return [study for study in found if study.is_of(patient_id, issuer_of_patient_id)]

    def instances(self, study_instance_uid: str) -> list[HeldInstance]:
        self._answer()
        found = self._headers(study_instance_uid)
        return [HeldInstance(item.series_instance_uid, item.sop_instance_uid, item.sop_class_uid) for item in found]

    def holds(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> bool:
        return sop_instance_uid in self.files

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        for header in self._headers(study_instance_uid):
            uid = header.sop_instance_uid
            if series_instance_uid in (None, header.series_instance_uid) and sop_instance_uid in (None, uid):
                if uid in self.withheld:
                    raise PeerRefusedError("it is withheld", 0xA701)
                self.given.append(uid)
                yield iter([self.files[uid]])

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def _headers(self, study_instance_uid: str) -> list[InstanceHeader]:
        found = map(_header, self.files.values())
        return [header for header in found if header.study_instance_uid == study_instance_uid]


def _header(content: bytes) -> InstanceHeader:
    return read_header(BytesIO(content))


def _held_study(headers: list[InstanceHeader]) -> HeldStudy:
    first = headers[0]
    return HeldStudy(
        first.study_instance_uid,
        first.patient_id,
        first.issuer_of_patient_id,
        first.patient_name,
        first.patient_birth_date,
        first.accession_number,
        len(headers),
        first.study_date,
        tuple(sorted({header.modality for header in headers})),
    )
