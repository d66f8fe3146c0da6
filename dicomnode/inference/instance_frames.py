"""The frames of an instance that is no plain image, one at a time: enhanced multi-frame images, colour, LUTs."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from dicomnode.dicom.decoding import StoredValues, number_of_frames, stored_frame
from dicomnode.dicom.fragments import CutError, Range, fragments, frame_ranges
from dicomnode.dicom.head_scan import UNDEFINED_LENGTH, UnusualError, scan_to_pixels
from dicomnode.dicom.parsing import transfer_syntax_of
from dicomnode.dicom.pixels import PIXEL_KEYWORDS, FramePixels, check_photometric, frame_pixels, read_frame
from dicomnode.dicom.stored_bits import check_stored_bits
from dicomnode.errors import PixelError
from dicomnode.inference.decoding.decoders import Decoders
from dicomnode.inference.decoding.encoded import EncodedFrame, coding_of
from dicomnode.inference.slices import check_instance, readable
from dicomnode.study import Instance

_HEAD_KEYWORDS = tuple(keyword for keyword in PIXEL_KEYWORDS if keyword != "PixelData")
MAXIMUM_FILE_BYTES = 1 << 30
"""Of a file that has to be read as a whole, such as a deflated one."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the frames lie: a range of bytes each, or several fragments."""

    start: int
    frames: tuple[tuple[Range, ...], ...]
    encapsulated: bool


class InstanceFrames:
    """An instance whose head has been read, and whose frames are read when they are asked for.

    Args:
        instance: The instance.
        decoders: Decode compressed frames.

    Raises:
        PixelError: It cannot be read, or its pixels have no known interpretation.
    """

    def __init__(self, instance: Instance, decoders: Decoders) -> None:
        self._instance, self._decoders = instance, decoders
        with readable(instance):
            self._head = dcmread(instance.path, force=True, stop_before_pixels=True, specific_tags=list(_HEAD_KEYWORDS))
            self._photometric = check_photometric(self._head)
            self._place = _place(instance, self._head)
            self._whole = _read_whole(instance) if self._place is None else None

    @property
    def is_whole(self) -> bool:
        """Whether all its pixels are held in memory."""
        return self._whole is not None

    def read(self, index: int) -> FramePixels:
        """One frame, counted from 0.

        Raises:
            PixelError: Its pixels cannot be decoded or interpreted.
        """
        with readable(self._instance):
            if self._whole is not None:
                return read_frame(self._whole, index)
            with self._stored(index) as stored:
                return frame_pixels(self._head, stored, index, self._photometric)

    @contextmanager
    def _stored(self, index: int) -> Iterator[StoredValues]:
        if self._place is None or index >= len(self._place.frames):
            raise PixelError(f"instance {self._instance.sop_instance_uid} has no frame {index + 1}")
        ranges = self._place.frames[index]
        if self._place.encapsulated:
            with self._decoders.decoded(self._encoded(ranges)) as stored:
                yield stored
        else:
            yield self._native(ranges[0])

    def _encoded(self, ranges: tuple[Range, ...]) -> EncodedFrame:
        uid, syntax = self._instance.sop_instance_uid, transfer_syntax_of(self._head)
        return EncodedFrame(str(self._instance.path), uid, syntax, coding_of(self._head), ranges, 0)

    def _native(self, place: Range) -> StoredValues:
        dataset = Dataset()
        dataset.file_meta = self._head.file_meta
        dataset.SOPInstanceUID = self._instance.sop_instance_uid
        for keyword, value in coding_of(self._head).items():
            setattr(dataset, keyword, value)
        with self._instance.path.open("rb") as file:
            dataset.PixelData = os.pread(file.fileno(), place[1], place[0])
        check_stored_bits(dataset)
        return stored_frame(dataset, 0)


def _place(instance: Instance, head: FileDataset) -> _Place | None:
    """Where the frames lie; None if the file must be read as a whole."""
    with instance.path.open("rb") as file:
        try:
            # What is mapped is not memory of this process: the heads of enhanced images are long.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as data:
                syntax, _, start, length = scan_to_pixels(data, ())
        except UnusualError:
            return None
        if syntax != transfer_syntax_of(head) or "ExtendedOffsetTable" in head or not UID(syntax).is_transfer_syntax:
            return None
        if UID(syntax).is_encapsulated:
            return _encapsulated(instance, file.fileno(), start, head) if length == UNDEFINED_LENGTH else None
        return _uncompressed(start, min(length, os.fstat(file.fileno()).st_size - start), head)


def _encapsulated(instance: Instance, file: int, start: int, head: FileDataset) -> _Place | None:
    try:
        table, found = fragments(file, start)
    except CutError as error:
        uid = instance.sop_instance_uid
        raise PixelError(f"instance {uid}: its file is truncated or damaged; send it again") from error
    ranges = frame_ranges(table, found, number_of_frames(head))
    return None if ranges is None else _Place(start, tuple(map(tuple, ranges)), True)


def _uncompressed(start: int, length: int, head: FileDataset) -> _Place | None:
    coding, count = coding_of(head), number_of_frames(head)
    sizes = [coding.get(name) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")]
    if not all(isinstance(size, int) and size > 0 for size in sizes) or coding.get("BitsAllocated") not in (8, 16):
        return None
    rows, columns, samples, bits = (int(size or 0) for size in sizes)
    frame = rows * columns * samples * bits // 8
    if coding["PhotometricInterpretation"] == "YBR_FULL_422" or not frame * count <= length <= frame * count + 1:
        return None
    return _Place(start, tuple(((start + index * frame, frame),) for index in range(count)), False)


def _read_whole(instance: Instance) -> FileDataset:
    if instance.path.stat().st_size > MAXIMUM_FILE_BYTES:
        raise PixelError(
            f"instance {instance.sop_instance_uid} is larger than {MAXIMUM_FILE_BYTES >> 30} GiB and its frames cannot"
            " be told apart without reading it as a whole: not read"
        )
    dataset = dcmread(instance.path, force=True, specific_tags=list(PIXEL_KEYWORDS))
    check_instance(instance, dataset)
    check_stored_bits(dataset)
    return dataset
