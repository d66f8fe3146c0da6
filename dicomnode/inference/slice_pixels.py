"""Slices whose pixels are read when a network asks for them, so that a series may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from dicomnode.inference.frame_reader import FrameReader, Pixels
from dicomnode.inference.opening import OpenImage, check_mirrors
from dicomnode.inference.slice_group import SliceGroup, with_channels
from dicomnode.inference.slices import Slice


class SlicePixels(Sequence[Pixels]):
    """(C, Rows, Columns) float32 of each slice, from its file each time. Whatever gives one may raise `PixelError`.

    Args:
        slices: Of one image.
        channels: 1 makes grey of colour, 3 repeats grey.
        reader: Reads them.
    """

    def __init__(self, slices: Sequence[Slice], channels: int, reader: FrameReader) -> None:
        self._slices, self._channels, self._reader = slices, channels, reader
        self._mirrors = {item.stored.scale.mirror for item in slices if item.stored is not None}

    def __len__(self) -> int:
        return len(self._slices)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Pixels]: ...

    def __getitem__(self, index: int | slice) -> Pixels | Sequence[Pixels]:
        if isinstance(index, slice):
            return SlicePixels(self._slices[index], self._channels, self._reader)
        return next(self.some([index]))

    def __iter__(self) -> Iterator[Pixels]:
        return self.some(range(len(self)))

    def is_plain(self, index: int) -> bool:
        """Whether the head alone says how the values are scaled, so that they need no neighbours to be trusted."""
        return self._slices[index].stored is not None

    def some(self, indices: Sequence[int]) -> Iterator[Pixels]:
        """Those of some slices; compressed ones are decoded ahead, several at once."""
        for frame in self._reader.read_all([self._slices[index] for index in indices]):
            self._mirrors.add(frame.mirror)
            check_mirrors(len(self), self._mirrors)
            yield with_channels(frame.values, self._channels)


def open_group(image: OpenImage, channels: int, reader: FrameReader) -> SliceGroup:
    """As `dicomnode.inference.slice_group.slice_group`, without reading any pixels yet."""
    pixels = SlicePixels(image.slices, channels, reader)
    return SliceGroup(image.references, pixels, image.pixel_spacing, image.slice_distance)


def is_plain(group: SliceGroup, index: int) -> bool:
    """Whether a slice's pixels can be trusted without those of the others of its group."""
    return not isinstance(group.pixels, SlicePixels) or group.pixels.is_plain(index)


def pixels_of(groups: Sequence[SliceGroup], wanted: Sequence[bool]) -> Iterator[Pixels]:
    """Pixels of the slices that are wanted, in order, without reading the others.

    Args:
        groups: Images of one request.
        wanted: For each slice of all of them.
    """
    flags = iter(wanted)
    for group in groups:
        indices = [index for index, flag in zip(range(len(group.images)), flags, strict=False) if flag]
        if isinstance(group.pixels, SlicePixels):
            yield from group.pixels.some(indices)
        else:
            yield from (group.pixels[index] for index in indices)
