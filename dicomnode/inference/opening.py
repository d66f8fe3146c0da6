"""The images of a series before their pixels are read: what belongs together, and what cannot be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomnode.dicom.geometry import Stack, stack_planes
from dicomnode.dicom.kinds import is_image
from dicomnode.errors import PixelError
from dicomnode.inference.heads import read_slices
from dicomnode.inference.separation import Separation, sort_out
from dicomnode.inference.slices import Slice, reference_of
from dicomnode.study import Instance, Series, SourceReference

# As float32. A CT of 5000 slices of 512 x 512 has 5 GiB; a whole-slide image of 100,000 tiles would have 75.
MAXIMUM_BYTES = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class OpenImage:
    """A volume, or one picture.

    Attributes:
        slices: In their order; one of a picture.
        stack: Where they lie, if they form a volume.
    """

    slices: tuple[Slice, ...]
    stack: Stack | None

    @property
    def rows(self) -> int:
        """Rows of a slice."""
        return self.slices[0].rows

    @property
    def columns(self) -> int:
        """Columns of a slice."""
        return self.slices[0].columns

    @property
    def channels(self) -> int:
        """1 grey, 3 colour."""
        return self.slices[0].channels

    @property
    def references(self) -> tuple[SourceReference, ...]:
        """Source of each slice."""
        return tuple(item.reference for item in self.slices)

    @property
    def pixel_spacing(self) -> tuple[float, float] | None:
        """Distance between rows and between columns, mm; None if it cannot be trusted."""
        if self.stack is not None:
            return self.stack.spacing[:2]
        single = self.slices[0]
        return single.plane.pixel_spacing if single.plane else single.spacing

    @property
    def slice_distance(self) -> float | None:
        """Distance between neighbouring slices in mm; None of a picture."""
        return None if self.stack is None else self.stack.spacing[2]


@dataclass(frozen=True, slots=True)
class OpenSeries:
    """What is to be read from a series.

    Attributes:
        images: Volumes first, then pictures in order of instance and frame.
        separations: What was left out, with reasons for the trace.
    """

    images: tuple[OpenImage, ...]
    separations: tuple[Separation, ...]


def open_series(series: Series) -> OpenSeries:
    """Read the heads of a series' instances, and check what can be checked without their pixels.

    Raises:
        IdentityError: Patient, study or series differ between the instances.
        GeometryError: Positions, orientations or spacings cannot be trusted.
        PixelError: An instance cannot be read or interpreted, the series holds no image, or too many.
    """
    images = [instance for instance in series.instances if is_image(instance.sop_class_uid)]
    others = [instance for instance in series.instances if not is_image(instance.sop_class_uid)]
    if not images:
        raise PixelError(f"series {series.series_instance_uid} holds no image: {len(others)} other objects")
    found = sort_out(read_slices(series, images))
    opened = [_volume(slices) for slices in found.volumes] + [OpenImage((item,), None) for item in found.pictures]
    check_bytes(opened, MAXIMUM_BYTES, "of memory as float32")
    for image in opened:
        check_mirrors(len(image.slices), {item.stored.scale.mirror for item in image.slices if item.stored})
    return OpenSeries(tuple(opened), found.separations + _no_images(others))


def check_bytes(images: Sequence[OpenImage], most: int, where: str) -> None:
    """Raise `PixelError` if the images have more than ``most`` bytes as float32."""
    found = 4 * sum(len(image.slices) * image.channels * image.rows * image.columns for image in images)
    if found > most:
        raise PixelError(
            f"the series needs {found / 1024**3:.0f} GiB {where}, and {most / 1024**3:.0f} GiB are the limit:"
            " tiled and very long series are not read"
        )


def check_mirrors(count: int, mirrors: set[float | None]) -> None:
    """Raise `PixelError` if the slices of one image were mirrored differently (MONOCHROME1), or only some of them."""
    if len(mirrors) > 1:
        raise PixelError(
            f"{count} slices of one volume have different grey scales (MONOCHROME1 with other value"
            " ranges, or mixed with MONOCHROME2): they cannot be compared"
        )


def _volume(slices: Sequence[Slice]) -> OpenImage:
    planes = [item.plane for item in slices if item.plane is not None]
    if len(planes) == 1 and not planes[0].thickness:
        return OpenImage(tuple(slices), None)  # no extent across the plane: a picture with a known spacing
    stack = stack_planes(planes)
    return OpenImage(tuple(slices[k] for k in stack.order), stack)


def _no_images(others: Sequence[Instance]) -> tuple[Separation, ...]:
    if not others:
        return ()
    objects = "1 object separated: no image" if len(others) == 1 else f"{len(others)} objects separated: no images"
    return (Separation(objects, tuple(map(reference_of, others))),)
