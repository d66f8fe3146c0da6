"""From a series' stored instances to images that can be trusted, or to the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from dicomnode.dicom.geometry import lps_to_ras
from dicomnode.inference.decoding.decoders import Decoders
from dicomnode.inference.frame_reader import FrameReader, Pixels
from dicomnode.inference.opening import OpenImage, check_bytes, check_mirrors, open_series
from dicomnode.inference.separation import Separation
from dicomnode.inference.slices import Slice
from dicomnode.inference.source_image import SourceImage, planar, volume
from dicomnode.study import Series

# Whoever wants more looks at slice after slice, see `dicomnode.inference.opening`.
MAXIMUM_BYTES_IN_MEMORY = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class SeriesReading:
    """What was read from a series.

    Attributes:
        images: Volumes first, then pictures in order of instance and frame.
        separations: What was left out, with reasons for the trace.
    """

    images: tuple[SourceImage, ...]
    separations: tuple[Separation, ...]


def read_series(series: Series) -> tuple[SourceImage, ...]:
    """The images of a series; see ``read_parts`` for what is left out of them.

    Raises:
        IdentityError: Patient, study or series differ between the instances.
        GeometryError: Positions, orientations or spacings cannot be trusted.
        PixelError: Pixels cannot be decoded or interpreted, or the series holds no image.
    """
    return read_parts(series).images


def read_parts(series: Series, decoders: Decoders | None = None) -> SeriesReading:
    """The images of a series, all pixels in memory, and what was left out of them; errors as ``read_series``.

    Args:
        series: The series.
        decoders: Decode compressed frames; this process does unless given.
    """
    opened = open_series(series)
    check_bytes(opened.images, MAXIMUM_BYTES_IN_MEMORY, "in memory")
    arrays = [_allocate(image.slices) for image in opened.images]
    places = [
        (item, array[k])
        for image, array in zip(opened.images, arrays, strict=True)
        for k, item in enumerate(image.slices)
    ]
    mirrors = iter(FrameReader(decoders).fill(places))
    for image in opened.images:
        check_mirrors(len(image.slices), set(islice(mirrors, len(image.slices))))
    images = tuple(_image(image, array) for image, array in zip(opened.images, arrays, strict=True))
    return SeriesReading(images, opened.separations)


def _allocate(slices: Sequence[Slice]) -> Pixels:
    first = slices[0]
    return np.empty((len(slices), first.channels, first.rows, first.columns), np.float32)


def _image(image: OpenImage, array: Pixels) -> SourceImage:
    if image.stack is not None:
        return volume(array, lps_to_ras(image.stack.affine), image.references, image.stack.spacing)
    return planar(array[0], image.references, image.pixel_spacing)
