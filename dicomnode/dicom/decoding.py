"""Stored pixel values of an image, decoded from whatever transfer syntax it came in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels, pixel_array
from pydicom.uid import UID

from dicomnode.dicom.jpeg_extended import SYNTAXES as EXTENDED_SYNTAXES
from dicomnode.dicom.jpeg_extended import decode_extended
from dicomnode.dicom.parsing import PARSE_ERRORS, transfer_syntax_of
from dicomnode.errors import PixelError

StoredValues = npt.NDArray[Any]

# Fastest first, measured on 2 cores per frame of 512 x 512: JPEG pillow 0.9 ms, gdcm 2.1; JPEG-LS pyjpegls 4.6,
# gdcm 13.8; JPEG 2000 (1024 x 256) pylibjpeg-openjpeg 1.7, gdcm 11; RLE (600 x 800) pylibjpeg-rle 0.5, pydicom 3.
PLUGINS = ("pyjpegls", "pylibjpeg", "pillow", "gdcm", "pydicom")
_MOST_SAMPLES = 1 << 30
"""Of one frame: a square of 32,768 pixels. Headers may claim four times that in a few bytes of compressed data."""
DECODE_ERRORS = (*PARSE_ERRORS, RuntimeError, OSError, MemoryError)


def number_of_frames(dataset: Dataset) -> int:
    """Number of Frames (0028,0008), 1 if absent.

    Raises:
        PixelError: It is no positive whole number.
    """
    try:
        number = int(dataset.get("NumberOfFrames", None) or 1)
    except PARSE_ERRORS as error:
        raise PixelError(f"{name_of(dataset)}: Number of Frames is no whole number") from error
    if number < 1:
        raise PixelError(f"{name_of(dataset)}: Number of Frames is {number}; an image has at least one")
    return number


def stored_frames(dataset: Dataset) -> Iterator[StoredValues]:
    """Decode frame after frame.

    YBR_FULL and YBR_FULL_422 come out as RGB, and so do the JPEG 2000 colour transforms.

    Args:
        dataset: An image with its Pixel Data and its File Meta Information.

    Yields:
        (Rows, Columns) or (Rows, Columns, 3) integers.

    Raises:
        PixelError: The pixels are missing, truncated, damaged, or in a syntax that cannot be decoded.
    """
    _check_presence(dataset)
    yield from _checked(dataset, _frames(dataset, transfer_syntax_of(dataset), number_of_frames(dataset)))


def stored_frame(dataset: Dataset, index: int) -> StoredValues:
    """Decode one frame, counted from 0, and no other.

    Raises:
        PixelError: As `stored_frames`, or there is no such frame.
    """
    _check_presence(dataset)
    count, syntax = number_of_frames(dataset), transfer_syntax_of(dataset)
    if not 0 <= index < count:
        raise PixelError(f"{name_of(dataset)} has no frame {index + 1}: it has {count}")
    with _decoding(_of(dataset)):
        if _is_extended(dataset, syntax):
            return decode_extended(dataset, index)
        return _one_frame(dataset, syntax, index)[0]


def stored_encoded_frame(content: bytes, syntax: str, options: Mapping[str, int | str], name: str) -> StoredValues:
    """As `stored_frame`, of encapsulated pixels that stand alone; a data set around each would cost half a millisecond.

    Args:
        content: Pixel Data with one frame in it.
        syntax: Transfer syntax, none of `EXTENDED_SYNTAXES`.
        options: What pydicom's decoders must know: its names for the attributes of the Image Pixel Module.
        name: How messages call the instance.
    """
    rows, columns, samples = (int(options.get(key, 1)) for key in ("rows", "columns", "samples_per_pixel"))
    _check_area(name, rows, columns, samples)
    with _decoding(lambda: (name, syntax)):
        known = {"pixel_keyword": "PixelData", "number_of_frames": 1, **options}
        return _one_frame(content, syntax, 0, known)[0]


def stored_frames_of_file(path: Path, head: Dataset) -> Iterator[StoredValues]:
    """As `stored_frames`, reading one frame after the other from the file instead of all Pixel Data at once.

    Args:
        path: A DICOM file.
        head: What stands in it before Pixel Data, with its File Meta Information.
    """
    syntax = transfer_syntax_of(head)
    if UID(syntax).is_deflated or syntax in EXTENDED_SYNTAXES or "TransferSyntaxUID" not in head.file_meta:
        yield from stored_frames(dcmread(path, force=True))
    else:
        _check_size(head)
        yield from _checked(head, iter_pixels(path, decoding_plugin=_plugin_for(path, syntax)))


def stored_frame_of_file(path: Path, head: Dataset, index: int) -> StoredValues:
    """As `stored_frame`, reading no other frame from the file.

    Args:
        path: A DICOM file.
        head: What stands in it before Pixel Data, with its File Meta Information.
        index: Which frame, counted from 0.
    """
    syntax = transfer_syntax_of(head)
    if UID(syntax).is_deflated or syntax in EXTENDED_SYNTAXES or "TransferSyntaxUID" not in head.file_meta:
        return stored_frame(dcmread(path, force=True), index)
    count = number_of_frames(head)
    if not 0 <= index < count:
        raise PixelError(f"{name_of(head)} has no frame {index + 1}: it has {count}")
    _check_size(head)
    with _decoding(_of(head)):
        return _one_frame_of_file(path, syntax, index)


def _one_frame_of_file(path: Path, syntax: str, index: int) -> StoredValues:
    if not UID(syntax).is_encapsulated:
        return pixel_array(path, index=index)
    failure: Exception = NotImplementedError("no decoder for this transfer syntax")
    for plugin in _plugins(syntax):
        try:
            return pixel_array(path, index=index, decoding_plugin=plugin)
        except DECODE_ERRORS as error:
            failure = error
    raise failure


def _plugin_for(path: Path, syntax: str) -> str:
    """The fastest plug-in that decodes frame 0; empty for pydicom's choice."""
    if not UID(syntax).is_encapsulated:
        return ""
    for name in _plugins(syntax):
        try:
            pixel_array(path, index=0, decoding_plugin=name)
        except DECODE_ERRORS:
            continue
        return name
    return ""


def _plugins(syntax: str) -> list[str]:
    """Plug-ins for a syntax, the fastest first; gdcm only where there is no other.

    On some damaged JPEG gdcm ends the whole process instead of raising.
    """
    names = [name for name in PLUGINS if name in get_decoder(UID(syntax)).available_plugins]
    return [name for name in names if name != "gdcm"] or names


def _checked(dataset: Dataset, frames: Iterator[StoredValues]) -> Iterator[StoredValues]:
    """Pass frames on, as many as the image says it has, with a PixelError for whatever goes wrong."""
    count, decoded = number_of_frames(dataset), 0
    with _decoding(_of(dataset)):
        for frame in frames:
            yield frame
            decoded += 1
    if decoded != count:
        raise PixelError(f"{name_of(dataset)} holds {decoded} of its {count} frames: it is truncated")


def _of(dataset: Dataset) -> Callable[[], tuple[str, str]]:
    return lambda: (name_of(dataset), transfer_syntax_of(dataset))


@contextmanager
def _decoding(what: Callable[[], tuple[str, str]]) -> Iterator[None]:
    """Turn whatever decoders raise on pixels into a PixelError that names instance and transfer syntax."""
    try:
        yield
    except DECODE_ERRORS as error:
        raise _failure(*what(), error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what pylibjpeg-rle, written in Rust, raises on damaged bytes
            raise
        raise _failure(*what(), RuntimeError("decoder panic")) from error


def _check_presence(dataset: Dataset) -> None:
    if "PixelData" not in dataset:
        raise PixelError(f"{name_of(dataset)} has no integer pixel data: it is truncated, or it is no image")
    _check_size(dataset)


def _check_size(dataset: Dataset) -> None:
    with _decoding(_of(dataset)):
        rows, columns, samples = (int(dataset.get(name, None) or 1) for name in ("Rows", "Columns", "SamplesPerPixel"))
    _check_area(name_of(dataset), rows, columns, samples)


def _check_area(name: str, rows: int, columns: int, samples: int) -> None:
    if rows * columns * samples > _MOST_SAMPLES:
        raise PixelError(f"{name}: a frame of {rows} x {columns} pixels is larger than any image; not decoded")


def name_of(dataset: Dataset) -> str:
    """How messages call an instance."""
    try:
        uid = dataset.get("SOPInstanceUID", None)
    except PARSE_ERRORS:  # a damaged element is converted, and fails, when it is first asked for
        uid = None
    return f"instance {uid or 'without SOP Instance UID'}"


def _frames(dataset: Dataset, syntax: str, count: int) -> Iterator[StoredValues]:
    if _is_extended(dataset, syntax):
        for index in range(count):
            yield decode_extended(dataset, index)
        return
    decoder = get_decoder(UID(syntax))
    first, plugin = _one_frame(dataset, syntax, 0)
    yield first
    if count > 1:
        rest = decoder.iter_array(dataset, indices=range(1, count), decoding_plugin=plugin)
        yield from (frame for frame, _ in rest)


def _is_extended(dataset: Dataset, syntax: str) -> bool:
    return syntax in EXTENDED_SYNTAXES and bool(dataset.BitsStored > 8)


def _one_frame(
    source: Dataset | bytes, syntax: str, index: int, options: Mapping[str, Any] = MappingProxyType({})
) -> tuple[StoredValues, str]:
    """Decode a frame with the fastest plug-in that can, and say which one did."""
    decoder = get_decoder(UID(syntax))
    if not UID(syntax).is_encapsulated:
        return decoder.as_array(source, index=index)[0], ""
    failure: Exception = NotImplementedError("no decoder for this transfer syntax")
    for plugin in _plugins(syntax):
        try:
            return decoder.as_array(source, index=index, decoding_plugin=plugin, **options)[0], plugin
        except DECODE_ERRORS as error:
            failure = error
    raise failure


def _failure(name: str, syntax: str, error: Exception) -> PixelError:
    what = f"{name}: pixel data in {_syntax_name(syntax)} cannot be decoded"
    if isinstance(error, NotImplementedError):
        return PixelError(f"{what}: no decoder is installed for this transfer syntax")
    return PixelError(f"{what}: the pixel data or the attributes that describe it are missing, truncated or damaged")


def _syntax_name(syntax: str) -> str:
    return UID(syntax).name
