"""What a slice-wise network is given: the 2-D images of one source image, in their order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.dicom.uids import derive_uid
from dicomnode.inference.source_image import SourceImage
from dicomnode.study import SourceReference

# ITU-R BT.601 luma, as Pillow makes grey of colour.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, slots=True)
class SliceGroup:
    """The slices of a volume, or one picture.

    Attributes:
        images: One per slice.
        pixels: One (C, Rows, Columns) float32 per slice: modality values, high is bright; perhaps read when asked for.
        pixel_spacing: Distance between rows and between columns in mm; None if it cannot be trusted.
        slice_distance: Distance between neighbouring slices in mm; None if they are no volume.
    """

    images: tuple[SourceReference, ...]
    pixels: Sequence[npt.NDArray[np.float32]]
    pixel_spacing: tuple[float, float] | None = None
    slice_distance: float | None = None

    @property
    def is_volume(self) -> bool:
        """Whether slices that follow each other are neighbours in space."""
        return self.slice_distance is not None


class PixelsByImage(Mapping[SourceReference, npt.NDArray[np.float32]]):
    """Pixels of each image of some groups, looked at only when they are asked for.

    Args:
        groups: Of one study.
    """

    def __init__(self, groups: Sequence[SliceGroup]) -> None:
        self._places = {image: (group, index) for group in groups for index, image in enumerate(group.images)}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[SourceReference]:
        return iter(self._places)

    def __getitem__(self, image: SourceReference) -> npt.NDArray[np.float32]:
        group, index = self._places[image]
        return group.pixels[index]


def slice_group(image: SourceImage, channels: int) -> SliceGroup:
    """The slices of a source image with as many channels as the network takes.

    A picture file has no instance behind it: its reference is derived from its pixels, so that the same picture
    always gives the same answer.

    Args:
        image: A volume or a picture.
        channels: 1 makes grey of colour, 3 repeats grey.
    """
    pixels = tuple(with_channels(image.slice_array(index), channels) for index in range(image.number_of_slices))
    distance = image.spacing[2] if image.kind == "volume" and image.spacing is not None else None
    return SliceGroup(image.slices or (_reference(pixels[0]),), pixels, image.pixel_spacing, distance)


def with_channels(pixels: npt.NDArray[np.float32], channels: int) -> npt.NDArray[np.float32]:
    """(C, Rows, Columns) as 1 channel, grey of colour, or as 3, grey three times."""
    if len(pixels) == channels:
        return pixels
    if channels == 1:
        return np.asarray(np.tensordot(_LUMA, pixels, axes=1)[None].round(), dtype=np.float32)
    return np.repeat(pixels, channels, axis=0)


def _reference(pixels: npt.NDArray[np.float32]) -> SourceReference:
    digest = hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return SourceReference(_SECONDARY_CAPTURE, derive_uid("picture", digest), derive_uid("picture series", digest))
