"""The slices of a series: one per frame, described from the head of an instance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.dataset import FileDataset

from dicomnode.dicom.decoding import DECODE_ERRORS, name_of, number_of_frames
from dicomnode.dicom.frames import frame_attribute
from dicomnode.dicom.geometry import Plane
from dicomnode.dicom.grey_scale import GreyScale
from dicomnode.dicom.pixels import MONOCHROME, check_photometric
from dicomnode.dicom.planes import planar_spacing, read_plane
from dicomnode.errors import IdentityError, PixelError
from dicomnode.study import Instance, Series, SourceReference

# Cross-sectional kinds (PS3.4 B.5): their frames have a place in the patient and may form a volume.
VOLUME_SOP_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",  # CT
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT
        "1.2.840.10008.5.1.4.1.1.4",  # MR
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR
        "1.2.840.10008.5.1.4.1.1.4.3",  # Enhanced MR Color
        "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR
        "1.2.840.10008.5.1.4.1.1.128",  # PET
        "1.2.840.10008.5.1.4.1.1.128.1",  # Legacy Converted Enhanced PET
        "1.2.840.10008.5.1.4.1.1.130",  # Enhanced PET
    }
)

# What tells apart images of one place in one series: the functional group that holds it, its keyword, its name.
CONTRASTS = (
    ("FrameContentSequence", "StackID", "stack"),
    ("MREchoSequence", "EffectiveEchoTime", "echo time"),
    ("", "EchoTime", "echo time"),
    ("FrameContentSequence", "TemporalPositionIndex", "temporal position"),
    ("", "TemporalPositionIdentifier", "temporal position"),
    ("MRDiffusionSequence", "DiffusionBValue", "b-value"),
    ("", "DiffusionGradientOrientation", "diffusion direction"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "cardiac phase"),
    ("", "TriggerTime", "trigger time"),
    ("", "InversionTime", "inversion time"),
    ("MRImageFrameTypeSequence", "FrameType", "frame type"),
    ("CTImageFrameTypeSequence", "FrameType", "frame type"),
    ("", "ImageType", "image type"),
    ("", "AcquisitionNumber", "acquisition"),
)

HEAD_KEYWORDS = (
    *("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "ImageType"),
    *("NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsStored", "HighBit"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("ImagerPixelSpacing", "PixelSpacingCalibrationType"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *(keyword for _, keyword, _ in CONTRASTS),
)


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """Where the pixels of a plain grey image lie in its file.

    Attributes:
        transfer_syntax_uid: Of the file.
        scale: What the stored values mean.
        offset: Where the value of Pixel Data starts.
        encapsulated: Whether it is a sequence of fragments; else the pixels as they are.
    """

    transfer_syntax_uid: str
    scale: GreyScale
    offset: int
    encapsulated: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """One frame of an instance, before its pixels are read.

    Attributes:
        instance: The stored instance.
        index: Frame, counted from 0.
        reference: How results refer to it.
        plane: Where it lies in the patient; None if unknown or a kind that has no place.
        spacing: Trusted distance between rows and between columns, mm, of a picture without a plane.
        rows: (0028,0010).
        columns: (0028,0011).
        channels: 1 grey, 3 colour.
        localizer: Whether Image Type says LOCALIZER.
        contrasts: Values of ``CONTRASTS``, in that order; empty where absent.
        stored: Where its pixels lie and what they mean, if it is a plain grey image; None: pydicom has to say.
    """

    instance: Instance
    index: int
    reference: SourceReference
    plane: Plane | None
    spacing: tuple[float, float] | None
    rows: int
    columns: int
    channels: int
    localizer: bool
    contrasts: tuple[str, ...]
    stored: StoredPixels | None = None


def describe(instance: Instance, dataset: FileDataset, stored: StoredPixels | None = None) -> Iterator[Slice]:
    """Every frame of an instance.

    Args:
        instance: The instance.
        dataset: Its head, with the attributes of ``HEAD_KEYWORDS``.
        stored: Where its pixels lie, if it is a plain grey image.

    Raises:
        GeometryError: Its geometry attributes are damaged.
        PixelError: Its pixels have no known interpretation.
    """
    count = number_of_frames(dataset)
    rows, columns = dataset.get("Rows", None), dataset.get("Columns", None)
    if not rows or not columns:
        raise PixelError(f"{name_of(dataset)} states no Rows and Columns: it is truncated, or it is no image")
    channels = 1 if check_photometric(dataset) in MONOCHROME else 3
    in_patient = instance.sop_class_uid in VOLUME_SOP_CLASSES
    for index in range(count):
        yield Slice(
            instance=instance,
            index=index,
            reference=reference_of(instance, index + 1 if count > 1 else None),
            plane=read_plane(dataset, index) if in_patient else None,
            spacing=None if in_patient else planar_spacing(dataset, index),
            rows=int(rows),
            columns=int(columns),
            channels=channels,
            localizer="LOCALIZER" in str(dataset.get("ImageType", "")).upper(),
            contrasts=tuple(_text(dataset, index, group, keyword) for group, keyword, _ in CONTRASTS),
            stored=stored,
        )


def reference_of(instance: Instance, frame_number: int | None = None) -> SourceReference:
    """How results refer to an instance, or to one frame of it."""
    return SourceReference(
        instance.sop_class_uid, instance.sop_instance_uid, instance.series_instance_uid, frame_number
    )


def patient_of(dataset: FileDataset) -> str:
    """Patient ID, empty if absent."""
    return str(dataset.get("PatientID", None) or "").strip()


def check_one_patient(series: Series, patient_ids: set[str]) -> None:
    """Raise `IdentityError` if the instances of a series name more than one Patient ID."""
    if len(patient_ids) > 1:
        raise IdentityError(
            f"series {series.series_instance_uid} holds images of {len(patient_ids)} different Patient IDs;"
            " correct the patient at the source and send it again"
        )


@contextmanager
def readable(instance: Instance) -> Iterator[None]:
    """Turn whatever damaged or missing bytes make pydicom raise into a PixelError that names the instance."""
    try:
        yield
    except OSError as error:
        raise PixelError(f"instance {instance.sop_instance_uid} cannot be read from the archive") from error
    except DECODE_ERRORS as error:
        raise PixelError(f"instance {instance.sop_instance_uid}: its attributes are damaged; send it again") from error


def check_identity(series: Series, instance: Instance, dataset: FileDataset) -> None:
    """Check that a file still is the instance it was stored as, of this series and its study.

    Raises:
        PixelError: It is cut or damaged.
        IdentityError: It says that it belongs elsewhere.
    """
    check_instance(instance, dataset)
    known = (series.study_instance_uid, series.series_instance_uid)
    if (dataset.get("StudyInstanceUID", None), dataset.get("SeriesInstanceUID", None)) != known:
        raise IdentityError(f"instance {instance.sop_instance_uid} says that it belongs to another study or series")


def check_instance(instance: Instance, dataset: FileDataset) -> None:
    """Check that a file still is the instance it was stored as.

    Raises:
        PixelError: It is cut (pydicom gives up the whole data set when compressed pixels end too early),
            or damaged.
    """
    if dataset.get("SOPInstanceUID", None) != instance.sop_instance_uid:
        raise PixelError(f"instance {instance.sop_instance_uid}: its file is truncated or damaged; send it again")


def _text(dataset: FileDataset, index: int, group: str, keyword: str) -> str:
    try:
        value = frame_attribute(dataset, index, group, keyword)
    except DECODE_ERRORS:
        return ""
    return "" if value is None else str(value)
