"""DICOM files anywhere in a folder, labelled by ``labels.csv`` with SOP or Series Instance UIDs."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.dicom.kinds import is_image
from dicomnode.errors import NotDicomError
from dicomnode.inference.files import find_inputs
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.tables import read_rows, sample_of
from dicomnode.learning.recipes.recipe import DataSection


@dataclass(frozen=True, slots=True)
class DicomImage:
    """An image file.

    Attributes:
        path: The file.
        sop_instance_uid: (0008,0018).
        series_instance_uid: (0020,000E).
        number_of_frames: (0028,0008), 1 if absent.
        patient: A key that all images of one patient share and that is not the patient's ID.
    """

    path: Path
    sop_instance_uid: str
    series_instance_uid: str
    number_of_frames: int
    patient: str


def dicom_csv(section: DataSection, folder: Path) -> Iterator[Sample]:
    """Every frame of every image that a row's UID names, in the order of rows, instance numbers and frames.

    The column of patients groups the pictures; where there is none, Patient ID and its issuer do, or the study where
    the ID is empty. Images without a row are passed over.
    """
    named: dict[str, list[DicomImage]] = defaultdict(list)
    for image in find_images(folder):
        for uid in (image.sop_instance_uid, image.series_instance_uid):
            named[uid].append(image)
    for row in read_rows(section, folder, "uid"):
        uid = row["uid"].strip()
        for image in named.get(uid, ()):
            patient = row.get(section.patient_column, image.patient)
            for frame in range(image.number_of_frames):
                number = f"#{frame + 1}" if image.number_of_frames > 1 else ""
                yield sample_of(section, row, f"{image.sop_instance_uid}{number}", image.path, patient, frame)
        if uid not in named:
            yield sample_of(section, row, uid, folder / uid, "", 0)  # such a file is missing, as is told of others


def find_images(folder: Path) -> tuple[DicomImage, ...]:
    """The DICOM images of a folder, each SOP Instance UID once, by instance number; documents are passed over."""
    with ThreadPoolExecutor() as threads:
        headers = [found for found in threads.map(_read, find_inputs([folder]).dicom) if found is not None]
    headers.sort(key=lambda found: (found[1].instance_number or 0, found[1].sop_instance_uid))
    images: dict[str, DicomImage] = {}
    for path, header in headers:
        image = DicomImage(
            path=path,
            sop_instance_uid=header.sop_instance_uid,
            series_instance_uid=header.series_instance_uid,
            number_of_frames=header.number_of_frames,
            patient=_patient_key(header),
        )
        images.setdefault(header.sop_instance_uid, image)
    return tuple(images.values())


def _read(path: Path) -> tuple[Path, InstanceHeader] | None:
    try:
        header = read_header(path)
    except (NotDicomError, OSError):
        return None  # an image that the table names is missing then, which is told
    return (path, header) if is_image(header.sop_class_uid) else None


def _patient_key(header: InstanceHeader) -> str:
    owner = (header.patient_id, header.issuer_of_patient_id) if header.patient_id else (header.study_instance_uid,)
    return hashlib.sha256(repr(owner).encode()).hexdigest()[:16]
