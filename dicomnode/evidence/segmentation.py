"""The masks: a binary segmentation, one segment for each lesion (PS3.3 A.51).

A projection has one to itself, which lies on its pixels (A.51.5.1); OHIF 3.13 fails on such a one, so the outlines
also go into the lesions document, a presentation state and a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import concepts
from dicomnode.evidence.content import coded
from dicomnode.evidence.masks import Masks, ProjectedMasks
from dicomnode.evidence.projections import orient_as
from dicomnode.evidence.seg_modules import (
    COLOURS,
    content_identification,
    copy_lossy,
    decimal,
    filing,
    fix_dimensions,
    list_sources,
    picture_stand_in,
    refer_to,
    segment_algorithm,
    stand_in,
)
from dicomnode.evidence.sources import Sources
from dicomnode.evidence.stamp import Draft, stamp
from dicomnode.findings import Finding, Result
from dicomnode.study import SourceReference


def segmentation_document(draft: Draft, masks: Masks) -> Dataset:
    """A SEG of the images that a mask touches; every frame names its source image or frame."""
    stand_ins = {derive_uid(i.sop_instance_uid, str(i.frame_number)): i for i in masks.planes}
    headers = [_header(uid, image, masks, draft.sources) for uid, image in stand_ins.items()]
    document: Dataset = hd.seg.Segmentation(
        source_images=headers,
        pixel_array=_pixels(masks),
        segmentation_type="BINARY",
        segment_descriptions=[_segment(n, f, draft.result) for n, f in enumerate(masks.findings, 1)],
        **content_identification(draft.result.model),
        **filing(draft),
    )
    _name_sources(document, stand_ins)
    fix_dimensions(document)
    if masks.slice_distance is None:
        # highdicom makes up a distance for a single plane.
        document.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].pop("SpacingBetweenSlices", None)
    copy_lossy(document, draft.sources.first)
    return stamp(document, draft)


def projection_segmentation_document(draft: Draft, masks: ProjectedMasks) -> Dataset:
    """A SEG of one projection image; its pixels are the image's at the same row and column."""
    image = masks.projection.image
    source = draft.sources.of(image)
    uid = derive_uid(image.sop_instance_uid, "masks")
    document: Dataset = hd.seg.Segmentation(
        source_images=[picture_stand_in(uid, image, draft.sources)],
        pixel_array=np.moveaxis(masks.pixels, 0, -1)[np.newaxis].astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_segment(n, f, draft.result) for n, f in enumerate(masks.findings, 1)],
        **content_identification(draft.result.model),
        **filing(draft),
    )
    _name_sources(document, {uid: image})
    fix_dimensions(document)
    orient_as(document, source)
    copy_lossy(document, source)
    return stamp(document, draft)


def _header(uid: str, image: SourceReference, masks: Masks, sources: Sources) -> Dataset:
    """A single-frame header for one plane, with every attribute that highdicom reads.

    Frames of a multi-frame image become headers of their own, so that only the frames with a
    lesion are carried; `_name_sources` puts the real references back.
    """
    plane = masks.planes[image]
    header = stand_in(uid, image, sources)
    header.SOPClassUID, header.Modality = MRImageStorage, "MR"
    header.Rows, header.Columns = plane.rows, plane.columns
    header.FrameOfReferenceUID = plane.frame_of_reference_uid
    header.PositionReferenceIndicator = sources.of(image).get("PositionReferenceIndicator", "")
    header.ImageOrientationPatient = [decimal(value) for value in plane.orientation]
    header.ImagePositionPatient = [decimal(value) for value in plane.position]
    header.PixelSpacing = [decimal(value) for value in plane.pixel_spacing]
    header.SliceThickness = None if plane.slice_thickness is None else decimal(plane.slice_thickness)
    if masks.slice_distance is not None:
        header.SpacingBetweenSlices = decimal(masks.slice_distance)
    return header


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
    site = finding.site or (result.answer.site if result.answer else None)
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=finding.label,
        segmented_property_category=coded(concepts.ABNORMAL_STRUCTURE),
        segmented_property_type=coded(finding.concept),
        **segment_algorithm(result.model),
        tracking_uid=finding.tracking_uid,
        tracking_id=finding.label,
        anatomic_regions=None if site is None else [coded(site)],
        display_color=hd.color.CIELabColor(*COLOURS[(number - 1) % len(COLOURS)]),
    )
    if site is not None and finding.laterality is not None:
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [coded(finding.laterality)]
    return description


def _name_sources(document: Dataset, stand_ins: Mapping[str, SourceReference]) -> None:
    """Replace the stand-ins' references by those of the real images and frames."""
    for frame in document.PerFrameFunctionalGroupsSequence:
        for derivation in frame.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                # highdicom shares an item among the segments of a plane: it may be renamed already.
                if source.ReferencedSOPInstanceUID in stand_ins:
                    refer_to(source, stand_ins[source.ReferencedSOPInstanceUID])
    list_sources(document, list(stand_ins.values()))
