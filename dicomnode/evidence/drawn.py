"""A segmentation as outlines: in a presentation state over its images, or burnt into pictures of them.

A presentation state says once how values become greys, so its images must be alike in that; pictures may differ.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicomnode.dicom.outline import outlines
from dicomnode.dicom.picture import draw_overlay
from dicomnode.errors import InputError
from dicomnode.evidence.ladder import CLASS_OF_FORM, Form, substitute_uid
from dicomnode.evidence.overlay import Overlay, Shape
from dicomnode.evidence.picture_document import MAXIMUM_SIDE, Picture, reduced, repeat_quality, source_of, write_picture
from dicomnode.evidence.presentation import CONTENT_LABEL, alike, date_state, draw_state
from dicomnode.evidence.projections import Projection, is_projection, orient_as
from dicomnode.evidence.sources import IDENTITY
from dicomnode.evidence.views import side_of
from dicomnode.study import SourceReference

MAXIMUM_TILES = 9
_GAP = 8  # pixels between two tiles
_REPEATED = (
    *IDENTITY,
    "SpecificCharacterSet",
    "InstanceCreationDate",
    "InstanceCreationTime",
    "ContentDate",
    "ContentTime",
    "SeriesDescription",
    "SeriesNumber",
    "InstanceNumber",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "DeviceSerialNumber",
    "StationName",
    "ContributingEquipmentSequence",
)


def state_instead(original: Dataset, series_instance_uid: str, paths: Mapping[str, Path]) -> Dataset:
    """A presentation state with the outlines of a segmentation.

    Args:
        original: The segmentation.
        series_instance_uid: Of the state.
        paths: File of each source image by SOP Instance UID.

    Raises:
        InputError: One state cannot show the images.
    """
    overlays = overlays_of_segmentation(original)
    headers = [_header(overlay.projection.image, paths) for overlay in overlays]
    by_image = {overlay.projection.image: header for overlay, header in zip(overlays, headers, strict=True)}
    if any(int(header.get("SamplesPerPixel") or 1) != 1 for header in headers):
        raise InputError("its images are in colour")
    if any(overlay.projection.image.frame_number is not None for overlay in overlays):
        raise InputError("its images are multi-frame")
    if len(alike(overlays, by_image.__getitem__)) > 1:
        raise InputError("its images differ in how their values become greys")
    document = _filed(original, "presentation", series_instance_uid)
    document.Modality = "PR"
    document.ContentLabel = CONTENT_LABEL
    document.ContentDescription = f"In place of {original.SOPInstanceUID}"
    document.ContentCreatorName = original.ContentCreatorName
    draw_state(document, overlays, headers, _notice(original))
    date_state(document)
    return document


def pictures_instead(original: Dataset, series_instance_uid: str, paths: Mapping[str, Path]) -> Dataset:
    """A picture of a segmentation's images with its outlines, side by side: those with the largest areas.

    Args:
        original: The segmentation.
        series_instance_uid: Of the picture.
        paths: File of each source image by SOP Instance UID.

    Raises:
        InputError: An image is missing or cannot be decoded.
    """
    every = overlays_of_segmentation(original)
    chosen = _largest(every)
    headers = [_header(overlay.projection.image, paths) for overlay in chosen]
    document = _filed(original, "picture", series_instance_uid)
    write_picture(document, _mosaic(original, chosen, len(every), paths))
    document.SourceImageSequence = [source_of(overlay.projection.image) for overlay in chosen]
    document.ImageComments = f"In place of segmentation {original.SOPInstanceUID}"
    orient_as(document, headers[0] if is_projection(headers[0]) else Dataset())  # several slices have none in common
    document.Laterality = side_of(headers[0])
    repeat_quality(document, headers[0])
    return document


def overlays_of_segmentation(original: Dataset) -> tuple[Overlay, ...]:
    """What a binary segmentation draws on each of its images, in the order of its frames."""
    series = str(original.ReferencedSeriesSequence[0].SeriesInstanceUID)
    labels = {int(item.SegmentNumber): str(item.SegmentLabel) for item in original.SegmentSequence}
    pixels = np.asarray(original.pixel_array)
    frames = pixels.reshape(-1, *pixels.shape[-2:])
    shapes: dict[SourceReference, list[Shape]] = {}
    for groups, mask in zip(original.PerFrameFunctionalGroupsSequence, frames, strict=True):
        image = _source(groups, series)
        label = labels[_segment(groups, original)]
        shapes.setdefault(image, []).extend(Shape(points, label) for points in outlines(mask.astype(np.float64)))
    found = ((image, tuple(drawn)) for image, drawn in shapes.items() if drawn)
    return tuple(Overlay(Projection(image, 1, ""), drawn, ()) for image, drawn in found)


def _segment(groups: Dataset, original: Dataset) -> int:
    for holder in (groups, original.SharedFunctionalGroupsSequence[0]):
        for item in holder.get("SegmentIdentificationSequence") or []:
            return int(item.ReferencedSegmentNumber)
    raise InputError("a frame of it names no segment")


def _source(groups: Dataset, series_instance_uid: str) -> SourceReference:
    for derivation in groups.get("DerivationImageSequence") or []:
        for item in derivation.SourceImageSequence:
            frame = item.get("ReferencedFrameNumber")
            uids = (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID), series_instance_uid)
            return SourceReference(*uids, None if frame is None else int(frame))
    raise InputError("a frame of it names no source image")


def _header(image: SourceReference, paths: Mapping[str, Path]) -> Dataset:
    path = paths.get(image.sop_instance_uid)
    if path is None or not path.is_file():
        raise InputError(f"image {image.sop_instance_uid} is not here any more")
    return dcmread(path, stop_before_pixels=True)


def _filed(original: Dataset, form: Form, series_instance_uid: str) -> Dataset:
    """An empty object of a form with the identity, the equipment and the dates of what it stands for."""
    document = Dataset()
    document.file_meta = FileMetaDataset()
    for keyword in _REPEATED:
        if keyword in original:
            document[keyword] = copy.deepcopy(original[keyword])
    document.SOPClassUID = UID(CLASS_OF_FORM[form])
    document.SOPInstanceUID = UID(substitute_uid(original.SOPInstanceUID, form))
    document.SeriesInstanceUID = series_instance_uid
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    document.file_meta.MediaStorageSOPClassUID = document.SOPClassUID
    document.file_meta.MediaStorageSOPInstanceUID = document.SOPInstanceUID
    document.file_meta.ImplementationClassUID = original.file_meta.ImplementationClassUID
    document.file_meta.ImplementationVersionName = original.file_meta.ImplementationVersionName
    return document


def _notice(original: Dataset) -> str:
    """The model that made it, and that nobody has verified it."""
    made_by = original.ContributingEquipmentSequence[0]
    return f"AI {made_by.ManufacturerModelName} {made_by.SoftwareVersions}: not verified"


def _largest(overlays: Sequence[Overlay]) -> tuple[Overlay, ...]:
    """Those with the largest areas, as many as a picture shows, in reading order."""
    areas = [sum(float(np.ptp(s.points, axis=0).prod()) for s in overlay.findings) for overlay in overlays]
    numbers = sorted(range(len(overlays)), key=lambda number: -areas[number])[:MAXIMUM_TILES]
    return tuple(overlays[number] for number in sorted(numbers))


def _mosaic(original: Dataset, overlays: Sequence[Overlay], count: int, paths: Mapping[str, Path]) -> Picture:
    """(Rows, Columns, 3): the images with their outlines, and what to think of them."""
    across = math.ceil(math.sqrt(len(overlays)))
    tiles = [_tile(overlay, paths, MAXIMUM_SIDE // across) for overlay in overlays]
    height, width = (max(tile.shape[axis] for tile in tiles) + _GAP for axis in (0, 1))
    sheet: npt.NDArray[np.uint8] = np.zeros((math.ceil(len(tiles) / across) * height, across * width, 3), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // across * height, number % across * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    shown = f" {len(tiles)} of the {count} images with outlines." if count > len(tiles) else ""
    return np.asarray(draw_overlay(sheet, [], [], f"{_notice(original)} by a human.{shown}"), np.uint8)


def _tile(overlay: Overlay, paths: Mapping[str, Path], maximum_side: int) -> Picture:
    image = overlay.projection.image
    picture, scale = reduced(paths[image.sop_instance_uid], image, maximum_side)
    shapes = overlay.findings
    return np.asarray(
        draw_overlay(picture, [shape.points * scale for shape in shapes], [s.label for s in shapes]), np.uint8
    )
