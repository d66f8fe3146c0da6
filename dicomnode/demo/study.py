"""The phantom as a modality would send it: MR Image Storage instances of one series (PS3.3 A.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from dicomnode import __version__
from dicomnode.demo.phantom import Phantom
from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, derive_uid

_WINDOW_CENTRE, _WINDOW_WIDTH = 460, 1000


def make_study(phantom: Phantom, created: datetime) -> tuple[Dataset, ...]:
    """One data set per slice, caudal slice first; the same time gives the same UIDs.

    Args:
        phantom: The drawn volume.
        created: When the examination took place, local time of the demo.
    """
    study_uid = derive_uid("dicomnode demo", created.isoformat())
    return tuple(_slice(phantom, index, study_uid, created) for index in range(phantom.pixels.shape[0]))


def write_study(datasets: Sequence[Dataset], folder: Path) -> tuple[Path, ...]:
    """Write the instances as Part 10 files ``MR001.dcm``, ``CT001.dcm`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, dataset in enumerate(datasets, start=1):
        path = folder / f"{dataset.Modality}{number:03d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return tuple(paths)


def _slice(phantom: Phantom, index: int, study_uid: str, created: datetime) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    _patient_and_study(dataset, study_uid, created)
    _series(dataset, study_uid, created)
    _scan(dataset)
    _plane(dataset, phantom, index)
    _pixels(dataset, phantom, index)
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = UID(derive_uid(study_uid, "instance", str(index + 1)))
    dataset.file_meta = _file_meta(dataset.SOPInstanceUID)
    return dataset


def _patient_and_study(dataset: Dataset, study_uid: str, created: datetime) -> None:
    dataset.PatientName = "Phantom^Brain"
    dataset.PatientID = "DEMO-1"
    dataset.PatientBirthDate = "19700101"
    dataset.PatientSex = "O"
    dataset.PatientAge = "056Y"
    dataset.PatientWeight = "70"
    dataset.StudyInstanceUID = UID(study_uid)
    dataset.StudyDate = created.strftime("%Y%m%d")
    dataset.StudyTime = created.strftime("%H%M%S")
    dataset.AccessionNumber = "DEMO-MR-1"
    dataset.StudyID = "1"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "MRI brain with contrast (synthetic)"


def _series(dataset: Dataset, study_uid: str, created: datetime) -> None:
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = UID(derive_uid(study_uid, "series"))
    dataset.SeriesNumber = 3
    dataset.SeriesDescription = "T1 axial, after contrast"
    dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = created.strftime("%Y%m%d")
    dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = created.strftime("%H%M%S")
    dataset.BodyPartExamined = "BRAIN"
    dataset.PatientPosition = "HFS"
    dataset.Manufacturer = "dicomnode"
    dataset.ManufacturerModelName = "phantom painter"
    dataset.InstitutionName = "Nowhere: drawn, not acquired"
    dataset.DeviceSerialNumber = "0"
    dataset.SoftwareVersions = __version__
    dataset.FrameOfReferenceUID = UID(derive_uid(study_uid, "frame of reference"))
    dataset.PositionReferenceIndicator = ""


def _scan(dataset: Dataset) -> None:
    """What a spin-echo sequence would have been set to (PS3.3 C.8.3.1)."""
    dataset.ScanningSequence = "SE"
    dataset.SequenceVariant = "SK"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = "550"
    dataset.EchoTime = "12"
    dataset.EchoTrainLength = "1"
    dataset.MagneticFieldStrength = "1.5"
    dataset.FlipAngle = "90"
    dataset.ContrastBolusAgent = "none: enhancement is drawn"


def _plane(dataset: Dataset, phantom: Phantom, index: int) -> None:
    lattice = phantom.lattice
    step, row_spacing, column_spacing = lattice.spacing
    x, y, z = lattice.origin
    dataset.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    dataset.InstanceNumber = index + 1
    dataset.AcquisitionNumber = 1
    dataset.ImagePositionPatient = [x, y, z + index * step]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [row_spacing, column_spacing]
    dataset.SliceThickness = step
    dataset.SpacingBetweenSlices = step
    dataset.SliceLocation = z + index * step


def _pixels(dataset: Dataset, phantom: Phantom, index: int) -> None:
    _, rows, columns = phantom.pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = _WINDOW_CENTRE, _WINDOW_WIDTH
    dataset.PixelData = phantom.pixels[index].astype("<u2").tobytes()


def _file_meta(sop_instance_uid: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = sop_instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta
