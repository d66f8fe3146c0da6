"""The images of a series that tiles are cut from: microscopic pictures, and one resolution of a tiled whole slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset

from dicomnode.bundles import Tiling
from dicomnode.dicom.decoding import name_of, number_of_frames
from dicomnode.dicom.kinds import is_image
from dicomnode.dicom.pixels import MONOCHROME, PIXEL_KEYWORDS, check_photometric
from dicomnode.dicom.planes import specimen_spacing
from dicomnode.dicom.tiling import (
    TILING_KEYWORDS,
    WHOLE_SLIDE_MICROSCOPY,
    FramePlace,
    frame_places,
    total_size,
)
from dicomnode.errors import GeometryError, PixelError
from dicomnode.inference.slices import check_identity, check_one_patient, patient_of, readable
from dicomnode.study import Instance, Series, SourceReference

# A pixel spacing that differs by less is the training's own, written with other digits.
SAME_SPACING = 0.01
# An image is enlarged by no more than this: what the training pictures showed is not in a coarser one.
MOST_ENLARGED = 1.25

_NO_TISSUE_IMAGES = {"LABEL", "OVERVIEW", "LOCALIZER", "THUMBNAIL"}
_HEAD_KEYWORDS = tuple(
    keyword
    for keyword in dict.fromkeys(
        (
            *("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "ImageType"),
            *("PixelSpacing", "ImagerPixelSpacing", "PixelSpacingCalibrationType"),
            *PIXEL_KEYWORDS,
            *TILING_KEYWORDS,
        )
    )
    if keyword != "PixelData"
)


@dataclass(frozen=True, slots=True)
class SlideImage:
    """An image that tiles are cut from: a frame of a microscopic picture, or a tiled image as a whole.

    Attributes:
        reference: The frame, or the instance of a tiled image.
        rows: Of the whole image.
        columns: Of the whole image.
        channels: 1 grey, 3 colour.
        spacing: Distance between rows and between columns in the specimen, mm.
        frames: Which frames of the instance it is made of, counted from 0.
        places: Top-left pixel of each of them.
        frame_shape: Rows and columns of one frame.
    """

    reference: SourceReference
    rows: int
    columns: int
    channels: int
    spacing: tuple[float, float]
    frames: range
    places: tuple[FramePlace, ...]
    frame_shape: tuple[int, int]

    def frame_at(self, row: float, column: float) -> SourceReference:
        """The frame that shows a place, or the nearest one."""
        if len(self.frames) == 1:
            return self.reference
        corners = np.array([(place.top, place.left) for place in self.places], np.float64)
        away = np.abs(corners + np.array(self.frame_shape) / 2 - (row, column)) / self.frame_shape
        nearest = int(away.max(axis=1).argmin())
        ref = self.reference
        return SourceReference(
            ref.sop_class_uid, ref.sop_instance_uid, ref.series_instance_uid, self.frames[nearest] + 1
        )


@dataclass(frozen=True, slots=True)
class SlideInstance:
    """A stored instance and the images in it.

    Attributes:
        instance: The stored file.
        head: What stands in it before its pixels.
        images: One per frame, or one of all frames.
    """

    instance: Instance
    head: FileDataset = field(repr=False)
    images: tuple[SlideImage, ...]


@dataclass(frozen=True, slots=True)
class Slides:
    """What of a series is examined.

    Attributes:
        instances: In the order of the series.
        notes: A clause for each part that was left out.
    """

    instances: tuple[SlideInstance, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Head:
    instance: Instance
    dataset: FileDataset
    spacing: tuple[float, float]


def read_slides(series: Series, tiling: Tiling) -> Slides:
    """Describe what of a series is examined, from the heads of its instances.

    Of whole slide images the resolution is taken whose pixel spacing is the coarsest that is no coarser than the
    training's; labels, overviews, localizers and thumbnails are left out.

    Raises:
        IdentityError: Patient, study or series differ between the instances.
        GeometryError: The pixel spacing is missing or too coarse, or the place of a frame is missing or ambiguous.
        PixelError: An instance cannot be read, or the series holds no image of tissue.
    """
    heads = _read_heads(series)
    shown = [(instance, head) for instance, head in heads if not _is_no_tissue_image(head)]
    if not shown:
        raise PixelError(
            f"series {series.series_instance_uid} holds no image of tissue, only labels, overviews or other objects"
        )
    measured = [_Head(instance, head, _spacing(head, tiling)) for instance, head in shown]
    slides = [item for item in measured if _is_slide(item.instance)]
    chosen = [item for item in measured if not _is_slide(item.instance)] + _resolution(series, slides, tiling)
    for item in chosen:
        check_resolution(name_of(item.dataset), max(item.spacing), tiling)
    described = [SlideInstance(item.instance, item.dataset, _images(item)) for item in chosen]
    order = {instance.sop_instance_uid: place for place, instance in enumerate(series.instances)}
    described.sort(key=lambda item: order[item.instance.sop_instance_uid])
    return Slides(tuple(described), _notes(len(heads) - len(shown), len(measured) - len(chosen)))


def _read_heads(series: Series) -> list[tuple[Instance, FileDataset]]:
    heads = []
    for instance in series.instances:
        if not is_image(instance.sop_class_uid):
            continue
        with readable(instance):
            head = dcmread(instance.path, stop_before_pixels=True, force=True, specific_tags=list(_HEAD_KEYWORDS))
            check_identity(series, instance, head)
        heads.append((instance, head))
    check_one_patient(series, {patient_of(head) for _, head in heads})
    return heads


def _is_slide(instance: Instance) -> bool:
    return instance.sop_class_uid == WHOLE_SLIDE_MICROSCOPY


def _is_no_tissue_image(head: FileDataset) -> bool:
    value = head.get("ImageType", None) or ()
    return any(str(word).upper() in _NO_TISSUE_IMAGES for word in ((value,) if isinstance(value, str) else value))


def _spacing(head: FileDataset, tiling: Tiling) -> tuple[float, float]:
    spacing = specimen_spacing(head)
    if spacing is None:
        raise GeometryError(
            f"{name_of(head)} states no Pixel Spacing in the specimen, and the model looks at {tiling.spacing:g} mm to"
            " a pixel; set Pixel Spacing (0028,0030) at the source and send it again"
        )
    return spacing


def _resolution(series: Series, slides: Sequence[_Head], tiling: Tiling) -> list[_Head]:
    """The one instance of a pyramid that is read."""
    if not slides:
        return []
    spacings = [max(item.spacing) for item in slides]
    fine_enough = [spacing for spacing in spacings if spacing <= tiling.spacing * (1 + SAME_SPACING)]
    wanted = max(fine_enough) if fine_enough else min(spacings)
    found = [item for item in slides if abs(max(item.spacing) - wanted) <= SAME_SPACING * wanted]
    if len(found) > 1:
        raise GeometryError(
            f"series {series.series_instance_uid} holds {len(found)} whole slide images of {wanted:g} mm to a pixel"
            " (focal planes, optical paths, regions or a concatenation); send the one to examine as a series of its own"
        )
    return found


def check_resolution(name: str, spacing: float, tiling: Tiling) -> None:
    """Raise `GeometryError` for an image of that pixel spacing, mm, if it would have to be enlarged too much."""
    if spacing > MOST_ENLARGED * tiling.spacing:
        raise GeometryError(
            f"{name} has {spacing:g} mm to a pixel, too coarse for a model that looks at {tiling.spacing:g} mm to a"
            " pixel; give it in a higher resolution"
        )


def _images(item: _Head) -> tuple[SlideImage, ...]:
    with readable(item.instance):
        channels = 1 if check_photometric(item.dataset) in MONOCHROME else 3
        count, shape = number_of_frames(item.dataset), (int(item.dataset.Rows), int(item.dataset.Columns))
        if _is_slide(item.instance):
            rows, columns = total_size(item.dataset)
            places = frame_places(item.dataset)
            reference = _reference(item.instance, None)
            return (SlideImage(reference, rows, columns, channels, item.spacing, range(count), places, shape),)
        corner = (FramePlace(0, 0),)
        numbers = [index + 1 if count > 1 else None for index in range(count)]
        return tuple(
            SlideImage(
                _reference(item.instance, number),
                *shape,
                channels,
                item.spacing,
                range(index, index + 1),
                corner,
                shape,
            )
            for index, number in enumerate(numbers)
        )


def _reference(instance: Instance, number: int | None) -> SourceReference:
    return SourceReference(
        instance.sop_class_uid, instance.sop_instance_uid, instance.series_instance_uid, frame_number=number
    )


def _notes(labels: int, resolutions: int) -> tuple[str, ...]:
    notes = []
    if labels:
        notes.append(f"{labels} label, overview or thumbnail {'image' if labels == 1 else 'images'} left out")
    if resolutions:
        notes.append(f"{resolutions} other {'resolution' if resolutions == 1 else 'resolutions'} of the slide left out")
    return tuple(notes)
