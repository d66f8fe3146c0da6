"""Studies that show nothing, as a scanner and a mammography system would send them, in files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

from dicomnode.delivery.document import Document
from dicomnode.dicom.uids import derive_uid

CT, MAMMOGRAM = "CT", "MG"
_VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
_VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
_CT_MILLIMETRES, _MAMMOGRAM_MILLIMETRES = 360.0, 290.0


@dataclass(frozen=True, slots=True)
class Shape:
    """How many images a study has, and how large they are.

    Attributes:
        modality: `CT` or `MAMMOGRAM`; the latter has four images, one for each standard view.
        images: How many.
        rows: Of each.
        columns: Of each.
        sop_class_uid: Of each, where it is not the modality's own.
    """

    modality: str
    images: int
    rows: int
    columns: int
    sop_class_uid: str = ""


def pixels_of(shape: Shape) -> npt.NDArray[np.int16]:
    """Stored values (images, rows, columns): noise upon a ramp, the same at each call."""
    random = np.random.default_rng(1)
    ramp = np.add.outer(np.arange(shape.rows), np.arange(shape.columns)) % 2048
    noise = random.integers(0, 64, (8, shape.rows, shape.columns), np.int16)
    values: npt.NDArray[np.int16] = np.stack([ramp + noise[number % 8] for number in range(shape.images)])
    return values.astype(np.int16)


def write_study(shape: Shape, pixels: npt.NDArray[np.int16], name: str, folder: Path) -> tuple[Document, ...]:
    """Write a study of its own for each name.

    Args:
        shape: What it is like.
        pixels: As `pixels_of` gave them.
        name: The same one gives the same UIDs.
        folder: Made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_write(dataset, folder / f"{number:05d}.dcm") for number, dataset in _images(shape, pixels, name))


def study_uid_of(name: str) -> str:
    """Study Instance UID of the study of this name."""
    return derive_uid("dicomnode bench study", name)


def _write(dataset: Dataset, path: Path) -> Document:
    dcmwrite(path, dataset, enforce_file_format=True)
    return Document(path, dataset.SOPClassUID, dataset.SOPInstanceUID, ExplicitVRLittleEndian)


def _images(shape: Shape, pixels: npt.NDArray[np.int16], name: str) -> Iterator[tuple[int, Dataset]]:
    for index in range(shape.images):
        dataset = _common(shape, study_uid_of(name), index)
        if shape.modality == CT:
            _slice(dataset, shape, index)
        else:
            _view(dataset, shape, index)
        dataset.SOPClassUID = shape.sop_class_uid or dataset.SOPClassUID
        dataset.PixelData = pixels[index].tobytes()
        yield index + 1, dataset


def _common(shape: Shape, study_uid: str, index: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Modality = shape.modality
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, derive_uid(study_uid, "series")
    dataset.SOPInstanceUID = derive_uid(study_uid, str(index))
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = "BENCH", "Bench^Mark", "19700101"
    dataset.PatientSex, dataset.StudyID, dataset.AccessionNumber = "O", "1", "BENCH1"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = "20260101"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = dataset.AcquisitionTime = "120000"
    dataset.ReferringPhysicianName, dataset.Manufacturer = "", "dicomnode"
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.AcquisitionNumber = 1, index + 1, 1
    dataset.Rows, dataset.Columns = shape.rows, shape.columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = 16
    return dataset


def _slice(dataset: Dataset, shape: Shape, index: int) -> None:
    dataset.SOPClassUID, dataset.ImageType = CTImageStorage, ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.BodyPartExamined, dataset.PatientPosition, dataset.KVP = "CHEST", "HFS", "120"
    dataset.FrameOfReferenceUID = derive_uid(dataset.StudyInstanceUID, "frame of reference")
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, index], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [round(_CT_MILLIMETRES / shape.columns, 4)] * 2
    dataset.SliceThickness, dataset.PositionReferenceIndicator = 1, ""
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"


def _view(dataset: Dataset, shape: Shape, index: int) -> None:
    side, view = _VIEWS[index % len(_VIEWS)]
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.ImageType, dataset.PresentationIntentType = ["ORIGINAL", "PRIMARY"], "FOR PRESENTATION"
    dataset.BodyPartExamined, dataset.ImageLaterality, dataset.ViewPosition = "BREAST", side, view
    dataset.ViewCodeSequence = [_code(*_VIEW_CODES[view])]
    dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []
    dataset.PatientOrientation = ["P" if side == "R" else "A", "L" if view == "CC" else "F"]
    dataset.ImagerPixelSpacing = dataset.PixelSpacing = [round(_MAMMOGRAM_MILLIMETRES / shape.rows, 4)] * 2
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth, dataset.BurnedInAnnotation = 1024, 2048, "NO"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, 0, "US"
    dataset.PresentationLUTShape, dataset.PixelIntensityRelationship = "IDENTITY", "LOG"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
