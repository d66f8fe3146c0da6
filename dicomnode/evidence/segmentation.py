"""The masks: a binary segmentation, one segment for each lesion (PS3.3 A.51)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from pydicom.valuerep import DSfloat

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import concepts
from dicomnode.evidence.content import coded
from dicomnode.evidence.masks import Masks
from dicomnode.evidence.sources import Sources
from dicomnode.evidence.stamp import Draft, stamp
from dicomnode.findings import Finding, Result
from dicomnode.study import SourceReference

# CIELab, far apart from each other and from grey
_COLOURS = ((53, 80, 67), (62, -48, 59), (60, 20, -65), (82, 4, 82), (58, 70, -45), (75, -38, -18))


def segmentation_document(draft: Draft, masks: Masks) -> Dataset:
    """A SEG of the images that a mask touches; every frame names its source image or frame."""
    stand_ins = {derive_uid(i.sop_instance_uid, str(i.frame_number)): i for i in masks.planes}
    headers = [_header(uid, image, masks, draft.sources) for uid, image in stand_ins.items()]
    document: Dataset = hd.seg.Segmentation(
        source_images=headers,
        pixel_array=_pixels(masks),
        segmentation_type="BINARY",
        segment_descriptions=[_segment(n, f, draft.result) for n, f in enumerate(masks.findings, 1)],
        series_instance_uid=draft.series_instance_uid,
        series_number=1,
        sop_instance_uid=draft.sop_instance_uid,
        instance_number=draft.instance_number,
        manufacturer="",
        manufacturer_model_name="",
        software_versions="",
        device_serial_number="",
        content_label="AI_LESIONS",
        content_description="Lesions outlined by an artificial intelligence, unverified",
        content_creator_name=f"{draft.result.model.name[:60]}^AI",
    )
    _name_sources(document, stand_ins)
    _fix_dimensions(document)
    if masks.slice_distance is None:
        # highdicom makes up a distance for a single plane.
        document.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].pop("SpacingBetweenSlices", None)
    _copy_lossy(document, draft.sources.first)
    return stamp(document, draft)


def _header(uid: str, image: SourceReference, masks: Masks, sources: Sources) -> Dataset:
    """A single-frame header for one plane, with every attribute that highdicom reads.

    Frames of a multi-frame image become headers of their own, so that only the frames with a
    lesion are carried; `_name_sources` puts the real references back.
    """
    plane = masks.planes[image]
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, uid
    header.StudyInstanceUID = sources.patient.StudyInstanceUID
    header.SeriesInstanceUID = image.series_instance_uid
    header.Modality = "MR"
    header.Rows, header.Columns = plane.rows, plane.columns
    header.FrameOfReferenceUID = plane.frame_of_reference_uid
    header.PositionReferenceIndicator = sources.of(image).get("PositionReferenceIndicator", "")
    header.ImageOrientationPatient = [_decimal(value) for value in plane.orientation]
    header.ImagePositionPatient = [_decimal(value) for value in plane.position]
    header.PixelSpacing = [_decimal(value) for value in plane.pixel_spacing]
    header.SliceThickness = None if plane.slice_thickness is None else _decimal(plane.slice_thickness)
    if masks.slice_distance is not None:
        header.SpacingBetweenSlices = _decimal(masks.slice_distance)
    header.PatientName = header.PatientID = header.PatientBirthDate = header.PatientSex = ""
    header.StudyID = header.AccessionNumber = ""
    header.StudyDate = header.StudyTime = None
    return header


def _decimal(value: float) -> DSfloat:
    """A number that fits the 16 characters of a decimal string."""
    return DSfloat(value, auto_format=True)


def _pixels(masks: Masks) -> npt.NDArray[np.uint8]:
    """(planes, Rows, Columns, segments), 0 or 1."""
    index = {image: number for number, image in enumerate(masks.planes)}
    first = next(iter(masks.planes.values()))
    pixels = np.zeros((len(index), first.rows, first.columns, len(masks.findings)), np.uint8)
    for segment, finding in enumerate(masks.findings):
        if finding.mask is not None:
            for image, plane in zip(finding.mask.images, finding.mask.pixels, strict=True):
                if image in index:
                    pixels[index[image], :, :, segment] |= plane
    return pixels


def _segment(number: int, finding: Finding, result: Result) -> Any:
    model = result.model
    site = finding.site or (result.answer.site if result.answer else None)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=finding.label,
        segmented_property_category=coded(concepts.ABNORMAL_STRUCTURE),
        segmented_property_type=coded(finding.concept),
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=model.name, family=coded(concepts.ARTIFICIAL_INTELLIGENCE), version=model.version
        ),
        tracking_uid=finding.tracking_uid,
        tracking_id=finding.label,
        anatomic_regions=None if site is None else [coded(site)],
        display_color=hd.color.CIELabColor(*_COLOURS[(number - 1) % len(_COLOURS)]),
    )


def _name_sources(document: Dataset, stand_ins: Mapping[str, SourceReference]) -> None:
    """Replace the stand-ins' references by those of the real images and frames."""
    for frame in document.PerFrameFunctionalGroupsSequence:
        for derivation in frame.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                # highdicom shares an item among the segments of a plane: it may be renamed already.
                if source.ReferencedSOPInstanceUID in stand_ins:
                    _rename(source, stand_ins[source.ReferencedSOPInstanceUID])
    instances: dict[str, list[SourceReference]] = {}
    for image in stand_ins.values():
        instances.setdefault(image.sop_instance_uid, []).append(image)
    document.SourceImageSequence = [_whole(images) for images in instances.values()]
    series = Dataset()
    series.SeriesInstanceUID = next(iter(stand_ins.values())).series_instance_uid
    series.ReferencedInstanceSequence = [_whole(images[:1], frames=False) for images in instances.values()]
    document.ReferencedSeriesSequence = [series]


def _rename(item: Dataset, image: SourceReference) -> None:
    item.ReferencedSOPClassUID = image.sop_class_uid
    item.ReferencedSOPInstanceUID = image.sop_instance_uid
    if image.frame_number is not None:
        item.ReferencedFrameNumber = image.frame_number


def _whole(images: list[SourceReference], frames: bool = True) -> Dataset:
    item = Dataset()
    _rename(item, SourceReference(images[0].sop_class_uid, images[0].sop_instance_uid, ""))
    numbers = [image.frame_number for image in images if image.frame_number is not None]
    if frames and numbers:
        item.ReferencedFrameNumber = numbers
    return item


def _fix_dimensions(document: Dataset) -> None:
    """Derive the Dimension Organization UID, which highdicom draws at random."""
    uid = derive_uid(document.SOPInstanceUID, "dimensions")
    for sequence in (document.DimensionOrganizationSequence, document.DimensionIndexSequence):
        for item in sequence:
            item.DimensionOrganizationUID = uid


def _copy_lossy(document: Dataset, source: Dataset) -> None:
    """State that the source was compressed with loss, if it was (PS3.3 C.7.6.1.1.5)."""
    if source.get("LossyImageCompression") != "01":
        return
    for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if keyword in source:
            document[keyword] = copy.deepcopy(source[keyword])
