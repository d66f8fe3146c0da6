"""A small CT study that no model of the demo is made for: it shows how the node says why nothing was done."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage

from dicomnode.dicom.uids import derive_uid

_SLICES = 3
_OF_MR_ONLY = (
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "RepetitionTime",
    "EchoTime",
    "EchoTrainLength",
    "MagneticFieldStrength",
    "FlipAngle",
    "ContrastBolusAgent",
)


def make_ct(images: Sequence[Dataset], created: datetime) -> tuple[Dataset, ...]:
    """The middle slices of the drawn MR study as CT Image Storage (PS3.3 A.3), a study of its own.

    Args:
        images: The drawn MR study.
        created: When the examination took place; the same time gives the same UIDs.
    """
    study_uid = derive_uid("dicomnode demo", "CT", created.isoformat())
    middle = (len(images) - _SLICES) // 2
    return tuple(_slice(image, study_uid, number) for number, image in enumerate(images[middle : middle + _SLICES], 1))


def _slice(image: Dataset, study_uid: str, number: int) -> Dataset:
    made = deepcopy(image)
    for keyword in _OF_MR_ONLY:
        delattr(made, keyword)
    made.Modality, made.SOPClassUID = "CT", CTImageStorage
    made.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    made.StudyInstanceUID, made.SeriesInstanceUID = UID(study_uid), UID(derive_uid(study_uid, "series"))
    made.FrameOfReferenceUID = UID(derive_uid(study_uid, "frame of reference"))
    made.SOPInstanceUID = UID(derive_uid(study_uid, "instance", str(number)))
    made.InstanceNumber, made.AccessionNumber, made.StudyID = number, "DEMO-CT-1", "2"
    made.StudyDescription, made.SeriesDescription = "CT head (synthetic)", "axial"
    made.KVP, made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "120", "-1024", "1", "HU"
    made.file_meta.MediaStorageSOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made
