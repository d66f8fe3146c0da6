"""Fetching the answer from the second PACS over the network; its folder is never looked into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileDataset

from dicomnode.errors import PeerError
from dicomnode.peers.dicomweb import DicomWebPeer

EVIDENCE_MODALITIES = ("SR", "SEG")
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Fetched:
    """An evidence object as the second PACS gave it.

    Attributes:
        path: The file that it was written to.
        dataset: What is in it.
    """

    path: Path
    dataset: FileDataset

    @property
    def model(self) -> str:
        """Name of the model that made it, and its version (PS3.3 C.12.1 Contributing Equipment)."""
        equipment = self.dataset.ContributingEquipmentSequence[0]
        return f"{equipment.ManufacturerModelName} {equipment.SoftwareVersions}"


def fetch_evidence(pacs: DicomWebPeer, study_instance_uid: str, folder: Path) -> list[Fetched]:
    """Find by QIDO-RS what the PACS holds of a study, retrieve by WADO-RS what is SR or SEG, and keep it as files.

    Raises:
        PeerError: The PACS is away, refuses, or holds no SR or SEG of this study.
    """
    found = [item for item in _objects(pacs, study_instance_uid) if item.Modality in EVIDENCE_MODALITIES]
    if not found:
        raise PeerError(f"the second PACS holds no SR and no SEG of study {study_instance_uid}")
    fetched = []
    for dataset in sorted(found, key=lambda item: (item.SeriesNumber, item.InstanceNumber)):
        path = folder / f"{dataset.SeriesNumber}-{dataset.Modality}-{dataset.InstanceNumber}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        fetched.append(Fetched(path, dataset))
    return fetched


def _objects(pacs: DicomWebPeer, study_instance_uid: str) -> Iterator[FileDataset]:
    for held in pacs.search_instances(study_instance_uid, _PAGE, 0):
        for pieces in pacs.retrieve(study_instance_uid, held.series_instance_uid, held.sop_instance_uid):
            yield dcmread(BytesIO(b"".join(pieces)))
