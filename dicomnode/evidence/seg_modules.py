"""What the node's segmentations have in common, whatever they show (PS3.3 A.51)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.uid import VLMicroscopicImageStorage
from pydicom.valuerep import DSfloat

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence.content import coded, family_of
from dicomnode.evidence.planes import pixel_spacing_of
from dicomnode.evidence.sources import Sources
from dicomnode.evidence.stamp import Draft
from dicomnode.findings import Maker, ModelIdentity
from dicomnode.study import SourceReference

# CIELab, far apart from each other and from grey
COLOURS = ((53, 80, 67), (62, -48, 59), (60, 20, -65), (82, 4, 82), (58, 70, -45), (75, -38, -18))


_CREATORS = {Maker.MODEL: "AI", Maker.TOOL: "Tool"}


def filing(draft: Draft) -> dict[str, Any]:
    """Arguments of highdicom's Segmentation that say where the object belongs; `stamp` adds the rest."""
    return {
        "series_instance_uid": draft.series_instance_uid,
        "series_number": 1,
        "sop_instance_uid": draft.sop_instance_uid,
        "instance_number": draft.instance_number,
        "manufacturer": "",
        "manufacturer_model_name": "",
        "software_versions": "",
        "device_serial_number": "",
        "content_creator_name": _creator(draft.result.model),
    }


def _creator(model: ModelIdentity) -> str:
    return model.name if model.maker is Maker.PERSON else f"{model.name[:60]}^{_CREATORS[model.maker]}"


def content_identification(model: ModelIdentity) -> dict[str, str]:
    """Arguments of highdicom's Segmentation that say in words what lesions these are."""
    if model.maker is Maker.MODEL:
        description = "Lesions outlined by an artificial intelligence, unverified"
        return {"content_label": "AI_LESIONS", "content_description": description}
    return {"content_label": "ANNOTATIONS", "content_description": f"Annotations drawn by a {model.maker}, unverified"}


def segment_algorithm(model: ModelIdentity) -> dict[str, Any]:
    """Arguments of highdicom's SegmentDescription that say how the segment came about (PS3.3 C.8.20.4)."""
    if model.maker is Maker.PERSON:
        return {"algorithm_type": "MANUAL"}
    kind = "AUTOMATIC" if model.maker is Maker.MODEL else "SEMIAUTOMATIC"
    return {"algorithm_type": kind, "algorithm_identification": algorithm_identification(model)}


def stand_in(uid: str, image: SourceReference, sources: Sources) -> Dataset:
    """A header that highdicom takes for a source image; class, size and place are for the caller to add."""
    header = Dataset()
    header.SOPInstanceUID = uid
    header.StudyInstanceUID = sources.patient.StudyInstanceUID
    header.SeriesInstanceUID = image.series_instance_uid
    header.PatientName = header.PatientID = header.PatientBirthDate = header.PatientSex = ""
    header.StudyID = header.AccessionNumber = ""
    header.StudyDate = header.StudyTime = None
    return header


def picture_stand_in(uid: str, image: SourceReference, sources: Sources) -> Dataset:
    """The same for an image that says of no pixel where it lies in the patient, with size and frame of reference."""
    header, source = stand_in(uid, image, sources), sources.of(image)
    header.SOPClassUID, header.Modality = VLMicroscopicImageStorage, "GM"
    header.Rows, header.Columns = int(source.Rows), int(source.Columns)
    place_in_frame(header, source)
    spacing = pixel_spacing_of(source)
    if spacing:  # without Pixel Measures in the segmentation, OHIF shows a blank page
        header.PixelSpacing = [decimal(value) for value in spacing]
        header.SliceThickness = nominal_thickness(spacing)
    return header


def place_in_frame(header: Dataset, source: Dataset) -> None:
    """Give a stand-in the frame of reference of its source, if that has one."""
    if source.get("FrameOfReferenceUID"):
        header.FrameOfReferenceUID = source.FrameOfReferenceUID
        header.PositionReferenceIndicator = source.get("PositionReferenceIndicator", "")


def nominal_thickness(pixel_spacing: Sequence[float]) -> DSfloat:
    """As thick as a pixel is wide, mm, where the image states no depth of field.

    highdicom reads no Pixel Measures without a thickness, and PS3.3 allows none of zero.
    """
    return decimal(min(pixel_spacing))


def algorithm_identification(model: ModelIdentity) -> Any:
    """Segmentation Algorithm Identification (PS3.3 10.16)."""
    family = coded(family_of(model))
    return hd.AlgorithmIdentificationSequence(name=model.name, family=family, version=model.version)


def decimal(value: float) -> DSfloat:
    """A number that fits the 16 characters of a decimal string."""
    return DSfloat(value, auto_format=True)


def refer_to(item: Dataset, image: SourceReference) -> None:
    """Let an item name an image or frame."""
    item.ReferencedSOPClassUID = image.sop_class_uid
    item.ReferencedSOPInstanceUID = image.sop_instance_uid
    if image.frame_number is not None:
        item.ReferencedFrameNumber = image.frame_number


def list_sources(document: Dataset, images: Sequence[SourceReference]) -> None:
    """Name the images, all of one series, for the whole object (PS3.3 C.12.2, C.7.6.1)."""
    instances: dict[str, list[SourceReference]] = {}
    for image in images:
        instances.setdefault(image.sop_instance_uid, []).append(image)
    document.SourceImageSequence = [_whole(frames) for frames in instances.values()]
    series = Dataset()
    series.SeriesInstanceUID = images[0].series_instance_uid
    series.ReferencedInstanceSequence = [_instance(frames[0]) for frames in instances.values()]
    document.ReferencedSeriesSequence = [series]


def _whole(images: list[SourceReference]) -> Dataset:
    item = _instance(images[0])
    numbers = [image.frame_number for image in images if image.frame_number is not None]
    if numbers:
        item.ReferencedFrameNumber = numbers
    return item


def _instance(image: SourceReference) -> Dataset:
    item = Dataset()
    refer_to(item, replace(image, frame_number=None))
    return item


def fix_dimensions(document: Dataset) -> None:
    """Derive the Dimension Organization UID, which highdicom draws at random."""
    uid = derive_uid(document.SOPInstanceUID, "dimensions")
    for sequence in (document.DimensionOrganizationSequence, document.DimensionIndexSequence):
        for item in sequence:
            item.DimensionOrganizationUID = uid


def copy_lossy(document: Dataset, source: Dataset) -> None:
    """State that the source was compressed with loss, if it was (PS3.3 C.7.6.1.1.5)."""
    if source.get("LossyImageCompression") != "01":
        return
    for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if keyword in source:
            document[keyword] = copy.deepcopy(source[keyword])
