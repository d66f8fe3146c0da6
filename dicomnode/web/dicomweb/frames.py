"""Frames of stored instances: as they are stored, or decoded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicomnode.dicom.decoding import stored_frame_of_file
from dicomnode.dicom.parsing import transfer_syntax_of
from dicomnode.dicom.transcoding import encoded_frame
from dicomnode.errors import NotFoundError, PixelError
from dicomnode.web.dicomweb.media import OCTET_STREAM
from dicomnode.web.dicomweb.multipart import FileRange

# Media types of compressed frames, PS3.18 Table 8.7.3-5.
MEDIA_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}


@dataclass(frozen=True, slots=True)
class StoredFrames:
    """The frames of one stored instance.

    Attributes:
        path: The stored file.
        transfer_syntax_uid: Of the stored file.
        count: How many frames there are.
    """

    path: Path
    transfer_syntax_uid: UID
    count: int

    @property
    def is_compressed(self) -> bool:
        """Whether each frame is a compressed stream of its own."""
        return self.transfer_syntax_uid.is_encapsulated

    @property
    def media_type(self) -> str:
        """Media type of a frame as stored."""
        return MEDIA_TYPES.get(self.transfer_syntax_uid, OCTET_STREAM)

    def stored(self, index: int) -> bytes:
        """Frame ``index``, counted from 0, without any change.

        Raises:
            PixelError: The file's pixel data cannot be taken apart.
        """
        return self._guarded(index, self._compressed if self.is_compressed else self._native)

    def plain(self, index: int) -> bytes:
        """Frame ``index`` uncompressed, little endian.

        Raises:
            PixelError: The frame cannot be decoded.
        """
        return self._guarded(index, self._decoded if self.is_compressed else self._native)

    def encoded(self, index: int, syntax: str) -> bytes:
        """Frame ``index`` as a compressed stream in another transfer syntax.

        Raises:
            PixelError: The frame cannot be decoded, or not encoded so.
        """
        head = dcmread(self.path, stop_before_pixels=True, force=True)
        return encoded_frame(head, stored_frame_of_file(self.path, head, index), syntax)

    def native_pixels(self) -> FileRange | None:
        """Where the pixels of all frames lie in the file, if they lie there as octet-stream has them."""
        if self.transfer_syntax_uid not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            return None
        with self.path.open("rb") as file:
            dcmread(file, stop_before_pixels=True, force=True)
            head = file.read(8 if self.transfer_syntax_uid == ImplicitVRLittleEndian else 12)
            length = int.from_bytes(head[-4:], "little")
            left = self.path.stat().st_size - file.tell()
            return FileRange(self.path, file.tell(), length) if 0 < length <= left else None

    def _guarded(self, index: int, read: Callable[[int], bytes]) -> bytes:
        try:
            return read(index)
        except Exception as error:  # decoder plug-ins raise whatever they like
            raise PixelError(
                f"frame {index + 1} of {self.path.name} (transfer syntax {self.transfer_syntax_uid}) cannot be read:"
                f" {type(error).__name__}; retrieve the instance as application/dicom instead"
            ) from error

    def _compressed(self, index: int) -> bytes:
        with self.path.open("rb") as file:
            dataset = dcmread(file, stop_before_pixels=True, force=True)
            file.seek(12, 1)  # tag, VR, reserved, undefined length
            offsets = _extended_offsets(dataset)
            return bytes(get_frame(file, index, number_of_frames=self.count, extended_offsets=offsets))

    def _decoded(self, index: int) -> bytes:
        pixels = pixel_array(self.path, index=index, raw=True)
        return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()

    def _native(self, index: int) -> bytes:
        if self.transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
            whole = dcmread(self.path, force=True)  # there is no offset to seek to in a deflated file
            return _cut(BytesIO(whole.PixelData), _frame_bits(whole), index)
        with self.path.open("rb") as file:
            dataset = dcmread(file, stop_before_pixels=True, force=True)
            file.seek(8 if self.transfer_syntax_uid == ImplicitVRLittleEndian else 12, 1)
            frame = _cut(file, _frame_bits(dataset), index)
        if self.transfer_syntax_uid == ExplicitVRBigEndian and dataset.BitsAllocated > 8:
            return np.frombuffer(frame, f">u{dataset.BitsAllocated // 8}").byteswap().tobytes()
        return frame


def stored_frames(path: Path) -> StoredFrames:
    """Look at a stored file.

    Raises:
        NotFoundError: It holds no pixel data.
    """
    with path.open("rb") as file:
        dataset = dcmread(file, stop_before_pixels=True, force=True)
    if "Rows" not in dataset or "BitsAllocated" not in dataset:
        raise NotFoundError("the instance holds no pixel data, thus no frames")
    syntax = transfer_syntax_of(dataset)
    return StoredFrames(path, UID(syntax), int(dataset.get("NumberOfFrames") or 1))


def _frame_bits(dataset: FileDataset) -> int:
    samples = dataset.Rows * dataset.Columns * dataset.get("SamplesPerPixel", 1)
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        samples = samples // 3 * 2
    return int(samples * dataset.BitsAllocated)


def _cut(file: BinaryIO, bits: int, index: int) -> bytes:
    """One frame of native pixel data; frames of single-bit images need not begin at a byte (PS3.5 8.1.1)."""
    first = bits * index
    file.seek(first // 8, 1)
    content = file.read(math.ceil((first % 8 + bits) / 8))
    if len(content) * 8 < first % 8 + bits:
        raise EOFError("pixel data ends before the frame does")
    if bits % 8 == 0 and first % 8 == 0:
        return content
    unpacked = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")
    return np.packbits(unpacked[first % 8 : first % 8 + bits], bitorder="little").tobytes()


def _extended_offsets(dataset: FileDataset) -> tuple[bytes, bytes] | None:
    if "ExtendedOffsetTable" not in dataset:
        return None
    return dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths
