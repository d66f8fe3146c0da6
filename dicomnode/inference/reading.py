"""From a series' stored instances to images that can be trusted, or to the reason why not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import dcmread

from dicomnode.dicom.geometry import Stack, lps_to_ras, stack_planes
from dicomnode.dicom.kinds import is_image
from dicomnode.dicom.pixels import PIXEL_KEYWORDS, read_frames
from dicomnode.dicom.stored_bits import check_stored_bits
from dicomnode.errors import PixelError
from dicomnode.inference.separation import Separation, sort_out
from dicomnode.inference.heads import read_slices
from dicomnode.inference.slices import Slice, check_instance, readable
from dicomnode.inference.source_image import SourceImage, planar, volume
from dicomnode.study import Instance, Series, SourceReference

Pixels = npt.NDArray[np.float32]

# A CT of 2000 slices of 512 x 512 needs 2 GiB; a whole-slide image of 100,000 tiles would need 75.
MAXIMUM_BYTES = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class SeriesReading:
    """What was read from a series.

    Attributes:
        images: Volumes first, then pictures in order of instance and frame.
        separations: What was left out, with reasons for the trace.
    """

    images: tuple[SourceImage, ...]
    separations: tuple[Separation, ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """An image to be: its slices in order, and their place if they form a volume."""

    slices: tuple[Slice, ...]
    stack: Stack | None


def read_series(series: Series) -> tuple[SourceImage, ...]:
    """The images of a series; see ``read_parts`` for what is left out of them.

    Raises:
        IdentityError: Patient, study or series differ between the instances.
        GeometryError: Positions, orientations or spacings cannot be trusted.
        PixelError: Pixels cannot be decoded or interpreted, or the series holds no image.
    """
    return read_parts(series).images


def read_parts(series: Series) -> SeriesReading:
    """The images of a series and what was left out of them; errors as ``read_series``."""
    layouts, separations = _plan(series)
    arrays = _read_pixels(layouts)
    images = tuple(_image(layout, array) for layout, array in zip(layouts, arrays, strict=True))
    return SeriesReading(images, separations)


def _plan(series: Series) -> tuple[tuple[_Layout, ...], tuple[Separation, ...]]:
    images = [instance for instance in series.instances if is_image(instance.sop_class_uid)]
    others = [instance for instance in series.instances if not is_image(instance.sop_class_uid)]
    if not images:
        raise PixelError(f"series {series.series_instance_uid} holds no image: {len(others)} other objects")
    found = sort_out(read_slices(series, images))
    layouts = [_volume_layout(slices) for slices in found.volumes]
    layouts += [_Layout((item,), None) for item in found.pictures]
    return tuple(layouts), found.separations + _no_images(others)


def _no_images(others: Sequence[Instance]) -> tuple[Separation, ...]:
    if not others:
        return ()
    objects = "1 object separated: no image" if len(others) == 1 else f"{len(others)} objects separated: no images"
    return (Separation(objects, tuple(map(_reference, others))),)


def _reference(instance: Instance) -> SourceReference:
    return SourceReference(instance.sop_class_uid, instance.sop_instance_uid, instance.series_instance_uid)


def _volume_layout(slices: Sequence[Slice]) -> _Layout:
    planes = [item.plane for item in slices if item.plane is not None]
    if len(planes) == 1 and not planes[0].thickness:
        return _Layout(tuple(slices), None)  # no extent across the plane: a picture with a known spacing
    stack = stack_planes(planes)
    return _Layout(tuple(slices[k] for k in stack.order), stack)


def _read_pixels(layouts: Sequence[_Layout]) -> list[Pixels]:
    """One array (Slices, C, Rows, Columns) per layout, each allocated once and filled file by file."""
    _check_size(layouts)
    arrays = [_allocate(layout.slices) for layout in layouts]
    places: dict[Instance, dict[int, tuple[int, int]]] = defaultdict(dict)
    for number, layout in enumerate(layouts):
        for k, item in enumerate(layout.slices):
            places[item.instance][item.index] = (number, k)
    mirrors: list[set[float | None]] = [set() for _ in layouts]
    for instance, frames in places.items():
        _fill(instance, frames, arrays, mirrors)
    for layout, mirror in zip(layouts, mirrors, strict=True):
        _check_mirror(layout, mirror)
    return arrays


def _check_size(layouts: Sequence[_Layout]) -> None:
    values = sum(len(item.slices) * _values(item.slices[0]) for item in layouts)
    if 4 * values > MAXIMUM_BYTES:
        raise PixelError(
            f"the series needs {4 * values / 1024**3:.0f} GiB of memory as float32, and {MAXIMUM_BYTES / 1024**3:.0f}"
            " GiB are the limit: tiled and very long series are not read"
        )


def _values(item: Slice) -> int:
    return item.channels * item.rows * item.columns


def _allocate(slices: Sequence[Slice]) -> Pixels:
    first = slices[0]
    return np.empty((len(slices), first.channels, first.rows, first.columns), np.float32)


def _fill(
    instance: Instance,
    frames: dict[int, tuple[int, int]],
    arrays: Sequence[Pixels],
    mirrors: Sequence[set[float | None]],
) -> None:
    with readable(instance):
        dataset = dcmread(instance.path, force=True, specific_tags=list(PIXEL_KEYWORDS))
        check_instance(instance, dataset)
        check_stored_bits(dataset)
        for index, frame in enumerate(read_frames(dataset)):
            if index in frames:
                number, k = frames[index]
                arrays[number][k] = frame.values
                mirrors[number].add(frame.mirror)


def _check_mirror(layout: _Layout, mirrors: set[float | None]) -> None:
    if len(mirrors) > 1:
        raise PixelError(
            f"{len(layout.slices)} slices of one volume have different grey scales (MONOCHROME1 with other value"
            " ranges, or mixed with MONOCHROME2): they cannot be compared"
        )


def _image(layout: _Layout, array: Pixels) -> SourceImage:
    references = tuple(item.reference for item in layout.slices)
    if layout.stack is not None:
        return volume(array, lps_to_ras(layout.stack.affine), references, layout.stack.spacing)
    single = layout.slices[0]
    return planar(array[0], references, single.plane.pixel_spacing if single.plane else single.spacing)
