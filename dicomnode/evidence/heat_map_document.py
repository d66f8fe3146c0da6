"""The heat map: a fractional segmentation with one segment (PS3.3 A.51, C.8.20.2.3).

On a whole slide it is a total pixel matrix of its own, coarser than the slide's and placed on the
slide. A picture that says of no pixel where it lies takes one too (A.51.5.1): each pixel of the map
belongs to the picture's pixel at the same row and column, so the map is spread over them. So it is on mammograms and
radiographs, which have an object for each image.

There is no binary twin and no picture of the map. Viewers of slides (Slim, dicom-microscopy-viewer) draw
fractional segmentations in colours; OHIF 3.13 refuses them in words, and fails on binary ones of images
without a plane in the patient. For its readers the text says what was counted.
"""

from __future__ import annotations

import copy
from typing import Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import VLWholeSlideMicroscopyImageStorage

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import concepts
from dicomnode.evidence.content import coded
from dicomnode.evidence.heat_maps import MAXIMUM_VALUE, HeatMaps
from dicomnode.evidence.planes import SlidePlane, set_slide_place
from dicomnode.evidence.projections import orient_as
from dicomnode.evidence.seg_modules import (
    COLOURS,
    algorithm_identification,
    copy_lossy,
    decimal,
    filing,
    fix_dimensions,
    list_sources,
    nominal_thickness,
    picture_stand_in,
    place_in_frame,
    refer_to,
    stand_in,
)
from dicomnode.evidence.specimen import specimen_of
from dicomnode.evidence.stamp import Draft, stamp
from dicomnode.evidence.views import side_code

_FRAME_CONTENT = 0x00209111
_STACK_POSITION = 0x00209057


def heat_map_document(draft: Draft, drawn: HeatMaps) -> Dataset:
    """A fractional SEG of the scores; every frame names its source image."""
    header = _header(draft, drawn)
    pixels = drawn.frames(int(header.Rows), int(header.Columns))
    document: Dataset = hd.seg.Segmentation(
        source_images=[header],
        pixel_array=np.zeros((1, *pixels.shape[1:]), np.uint8),
        segmentation_type="FRACTIONAL",
        fractional_type="PROBABILITY",
        max_fractional_value=MAXIMUM_VALUE,
        segment_descriptions=[_segment(draft, drawn)],
        omit_empty_frames=False,
        content_label="AI_HEAT_MAP",
        content_description="Scores over the image; 0 where nothing was examined; unverified",
        **filing(draft),
    )
    # Geometry is highdicom's, the stored values are ours: rounded once, from the scores themselves.
    document.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    _add_frames(document, drawn)
    _name_sources(document, drawn)
    fix_dimensions(document)
    document.PatientOrientation = ""
    if drawn.projection is not None:
        orient_as(document, draft.sources.of(drawn.maps[0].image))
    copy_lossy(document, draft.sources.of(drawn.maps[0].image))
    return stamp(document, draft)


def _header(draft: Draft, drawn: HeatMaps) -> Dataset:
    """The one source image that highdicom is shown: it has the size and place of the map."""
    image = drawn.maps[0].image
    source = draft.sources.of(image)
    uid = derive_uid(image.sop_instance_uid, "heat map")
    if drawn.plane is None:
        header = picture_stand_in(uid, image, draft.sources)
    else:
        header = stand_in(uid, image, draft.sources)
        place_in_frame(header, source)
        _place(header, drawn.plane)
    header.update(specimen_of(source))
    return header


def _place(header: Dataset, plane: SlidePlane) -> None:
    header.SOPClassUID, header.Modality = VLWholeSlideMicroscopyImageStorage, "SM"
    header.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    header.Rows, header.Columns, header.NumberOfFrames = plane.rows, plane.columns, 1
    header.TotalPixelMatrixRows, header.TotalPixelMatrixColumns = plane.rows, plane.columns
    header.TotalPixelMatrixFocalPlanes = 1
    header.DimensionOrganizationType = "TILED_FULL"
    header.OpticalPathSequence = [Dataset()]
    header.ImageOrientationSlide = [decimal(value) for value in plane.orientation]
    origin, measures, shared = Dataset(), Dataset(), Dataset()
    set_slide_place(origin, plane.position)
    header.TotalPixelMatrixOriginSequence = [origin]
    measures.PixelSpacing = [decimal(value) for value in plane.pixel_spacing]
    thickness = plane.slice_thickness
    measures.SliceThickness = nominal_thickness(plane.pixel_spacing) if thickness is None else decimal(thickness)
    shared.PixelMeasuresSequence = [measures]
    header.SharedFunctionalGroupsSequence = [shared]


def _segment(draft: Draft, drawn: HeatMaps) -> Any:
    answer, model = draft.result.answer, draft.result.model
    meaning = answer.concept.meaning if answer is not None else "Score"
    # What is calibrated is a score of tiles or images; the saliency of pixels is not.
    calibrated = answer is not None and answer.calibrated and drawn.projection is None
    word = "probability" if calibrated else "score"
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=f"{meaning[: 63 - len(word)]} {word}",
        segmented_property_category=coded(concepts.ABNORMAL_STRUCTURE),
        segmented_property_type=coded(answer.concept if answer is not None else concepts.ABNORMAL_STRUCTURE),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm_identification(model),
        tracking_uid=derive_uid(draft.result.study_instance_uid, model.name, "heat map", *_part(draft)),
        tracking_id="Heat map",
        anatomic_regions=[coded(answer.site)] if answer is not None and answer.site is not None else None,
        display_color=hd.color.CIELabColor(*COLOURS[0]),
    )
    side = side_code(draft.sources.of(drawn.maps[0].image)) if drawn.projection is not None else None
    if side is not None and "AnatomicRegionSequence" in description:
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [coded(side)]
    description.SegmentDescription = _explanation(drawn, calibrated)
    return description


def _part(draft: Draft) -> tuple[str, ...]:
    return () if draft.part == 1 else (str(draft.part),)


def _explanation(drawn: HeatMaps, calibrated: bool) -> str:
    width, height = drawn.maps[0].step
    nothing = "where nothing was examined" + ("" if drawn.projection is not None else " (no tissue)")
    kind = "a calibrated probability" if calibrated else "a certainty, not a calibrated probability"
    return (
        f"Score of each {width:g} x {height:g} source pixels: stored value / {MAXIMUM_VALUE}, {kind}. 0 also "
        f"{nothing}. Not verified by a human."
    )


def _add_frames(document: Dataset, drawn: HeatMaps) -> None:
    """A frame for each further picture; highdicom writes one only of images that have no place in space."""
    if drawn.plane is not None:
        return
    groups = document.PerFrameFunctionalGroupsSequence
    for number in range(1, len(drawn.maps) + 1):
        if number > 1:
            groups.append(copy.deepcopy(groups[0]))
        content = groups[number - 1].FrameContentSequence[0]
        content.StackID, content.InStackPositionNumber = "1", number
        content.DimensionIndexValues = [1, number]
    index = copy.deepcopy(document.DimensionIndexSequence[0])
    index.DimensionIndexPointer, index.FunctionalGroupPointer = _STACK_POSITION, _FRAME_CONTENT
    index.DimensionDescriptionLabel = "In-Stack Position Number"
    document.DimensionIndexSequence.append(index)
    document.NumberOfFrames = len(drawn.maps)


def _name_sources(document: Dataset, drawn: HeatMaps) -> None:
    """Replace the stand-in by the real images, and its height above the glass, which highdicom leaves out."""
    preserved = "YES" if drawn.plane is None else "NO"
    for group, heat_map in zip(document.PerFrameFunctionalGroupsSequence, drawn.maps, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        source.pop("ReferencedFrameNumber", None)
        refer_to(source, heat_map.image)
        source.SpatialLocationsPreserved = preserved
        if drawn.plane is not None:
            set_slide_place(group.PlanePositionSlideSequence[0], drawn.plane.position)
    list_sources(document, [heat_map.image for heat_map in drawn.maps])
