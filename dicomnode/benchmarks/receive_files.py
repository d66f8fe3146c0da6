"""Files to send: CT slices, mammograms and tiny images that show noise."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

_FIRST_INSTANCE = 100_000  # every number has as many digits, so that UIDs are exchanged without moving a byte


@dataclass(frozen=True, slots=True)
class Load:
    """Images of one kind.

    Attributes:
        name: For the report.
        modality: (0008,0060).
        sop_class_uid: (0008,0016).
        rows: Of 16-bit pixels.
        columns: Of 16-bit pixels.
        count: How many are sent in one run.
        number: Tells its UIDs from those of other loads, 1 to 9.
    """

    name: str
    modality: str
    sop_class_uid: str
    rows: int
    columns: int
    count: int
    number: int

    @property
    def bytes(self) -> int:
        """Of the pixels of one run."""
        return 2 * self.rows * self.columns * self.count


def loads(slices: int, mammograms: int, tiny: int) -> tuple[Load, ...]:
    """Images of 512 KiB, of 24 MB and of 11 KiB, so many of each; a kind without any is left out."""
    every = (
        Load("CT", "CT", CTImageStorage, 512, 512, slices, 1),
        Load("mammogram", "MG", DigitalMammographyXRayImageStorageForPresentation, 4096, 3000, mammograms, 2),
        Load("tiny", "OT", SecondaryCaptureImageStorage, 72, 72, tiny, 3),
    )
    return tuple(load for load in every if load.count)


def study_uid_of(load: Load, run: int) -> str:
    """Study Instance UID of a run; those of all runs are equally long."""
    return f"2.25.77{load.number}{run:04d}"


def write_files(load: Load, run: int, parts: int, folder: Path) -> list[Path]:
    """Write the instances of a run, dealt out to so many folders; what lay there is removed.

    Args:
        load: What they are like.
        run: Number of the run; each has a study of its own.
        parts: Number of folders; fewer where there are not so many instances.
        folder: Holds them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    places = [folder / f"part{part}" for part in range(min(parts, load.count))]
    for place in places:
        place.mkdir(parents=True)
    template = _template(load)
    old, new = study_uid_of(load, 0).encode(), study_uid_of(load, run).encode()
    content = template.replace(old, new)
    first = f".1.{_FIRST_INSTANCE}".encode()
    for number in range(load.count):
        uid = f".1.{_FIRST_INSTANCE + number}".encode()
        (places[number % len(places)] / f"{number:06d}.dcm").write_bytes(content.replace(first, uid))
    return places


def _template(load: Load) -> bytes:
    random = np.random.default_rng(load.number)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality = load.sop_class_uid, load.modality
    dataset.StudyInstanceUID = study_uid_of(load, 0)
    dataset.SeriesInstanceUID = f"{dataset.StudyInstanceUID}.1"
    dataset.SOPInstanceUID = f"{dataset.StudyInstanceUID}.1.{_FIRST_INSTANCE}"
    dataset.PatientID, dataset.PatientName, dataset.StudyDate = "BENCH", "Bench^Mark", "20260101"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = load.rows, load.columns, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelData = random.integers(0, 4096, (load.rows, load.columns), np.uint16).tobytes()
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
