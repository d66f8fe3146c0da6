"""Instances and frames in other transfer syntaxes than they came in, without loss.

What leaves here keeps its SOP Instance UID, as PS3.18 8.7.3.5 wants it: the pixels are the same, only written
another way. A picture that came lossy is never compressed lossy once more.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dicomnode.dicom.decoding import (
    DECODE_ERRORS,
    PLUGINS,
    StoredValues,
    name_of,
    number_of_frames,
    stored_frames,
)
from dicomnode.dicom.jpeg_extended import SYNTAXES as EXTENDED_SYNTAXES
from dicomnode.dicom.parsing import transfer_syntax_of
from dicomnode.errors import PixelError

_NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_COMPRESSED = (JPEGLSLossless, JPEG2000Lossless, RLELossless)
_UNCOMPRESSED = (*_NATIVE, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
# JPEG lossless (two), JPEG-LS, JPEG 2000, HTJ2K (two), JPEG XL, RLE: PS3.5 10 and A.4.
_LOSSLESS = frozenset(
    (
        *("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"),
        *("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.5"),
    )
)
_WORD_BYTES = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_PIXEL_DATA = 0x7FE00010
_MOST_BYTES = 1 << 30
"""Of the decoded pixels of one instance: it is held in memory while it is rewritten."""


def offered_syntaxes() -> tuple[str, ...]:
    """Transfer syntaxes that instances can be rewritten in here: uncompressed, and lossless with an encoder."""
    encoders = [syntax for syntax in _COMPRESSED if get_encoder(syntax).is_available]
    return tuple(str(syntax) for syntax in (*_NATIVE, *encoders))


def is_readable(syntax: str) -> bool:
    """Whether pixels in a transfer syntax can be decoded here."""
    if syntax in _UNCOMPRESSED or syntax in EXTENDED_SYNTAXES:
        return True
    try:
        return bool(get_decoder(UID(syntax)).is_available)
    except NotImplementedError:
        return False


def is_lossless(syntax: str) -> bool:
    """Whether pixels in a transfer syntax are what they were before."""
    return syntax in _UNCOMPRESSED or syntax in _LOSSLESS


def transcoded(path: Path, syntax: str) -> bytes:
    """A stored instance, rewritten.

    Args:
        path: A DICOM file.
        syntax: One of `offered_syntaxes`. An object without pixels is written in Explicit VR Little Endian
            if this is a compressed one.

    Returns:
        The whole file (PS3.10).

    Raises:
        PixelError: The pixels cannot be decoded, cannot be written so, or are too many to hold in memory.
    """
    dataset = dcmread(path, force=True)
    wanted = UID(syntax)
    if transfer_syntax_of(dataset) == ExplicitVRBigEndian:
        dataset.walk(_swap_words)
    if "PixelData" in dataset:
        _rewrite_pixels(dataset, wanted)
    elif wanted.is_encapsulated:
        wanted = ExplicitVRLittleEndian
    buffer = BytesIO()
    try:
        dataset.file_meta.TransferSyntaxUID = wanted
        dcmwrite(buffer, dataset, implicit_vr=wanted == ImplicitVRLittleEndian, enforce_file_format=True)
    except DECODE_ERRORS as error:
        raise PixelError(
            f"{name_of(dataset)} cannot be written in transfer syntax {syntax}: take it as stored"
        ) from error
    return buffer.getvalue()


def encoded_frame(head: Dataset, frame: StoredValues, syntax: str) -> bytes:
    """One decoded frame as a compressed stream.

    Args:
        head: Of the image that it belongs to.
        frame: (Rows, Columns) or (Rows, Columns, 3).
        syntax: A compressed one of `offered_syntaxes`.

    Raises:
        PixelError: The encoder does not take such pixels.
    """
    samples = 1 if frame.ndim == 2 else int(frame.shape[2])
    try:
        stream = get_encoder(UID(syntax)).encode(
            np.ascontiguousarray(frame),
            encoding_plugin=_plugin(UID(syntax)),
            rows=frame.shape[0],
            columns=frame.shape[1],
            samples_per_pixel=samples,
            number_of_frames=1,
            bits_allocated=frame.dtype.itemsize * 8,
            bits_stored=int(head.BitsStored),
            pixel_representation=int(head.get("PixelRepresentation", 0)),
            photometric_interpretation=_photometric(head, samples),
            planar_configuration=0,
        )
    except DECODE_ERRORS as error:
        raise PixelError(f"{name_of(head)}: its frames cannot be written in transfer syntax {syntax}") from error
    return bytes(stream)


def _swap_words(_dataset: Dataset, element: DataElement) -> None:
    """Turn the words of a value round, which pydicom keeps as they stand in the file."""
    size = _WORD_BYTES.get(element.VR)
    if size is not None and isinstance(element.value, bytes) and element.tag != _PIXEL_DATA:
        element.value = np.frombuffer(element.value, f">u{size}").byteswap().tobytes()


def _rewrite_pixels(dataset: Dataset, wanted: UID) -> None:
    """Change the pixels of a data set, and what describes them, for a transfer syntax."""
    _require_room(dataset)
    stored = UID(transfer_syntax_of(dataset))
    if stored.is_encapsulated or stored == ExplicitVRBigEndian:
        _uncompress(dataset)
    if not wanted.is_encapsulated:
        return
    try:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(wanted, encoding_plugin=_plugin(wanted), generate_instance_uid=False)
    except DECODE_ERRORS as error:
        raise PixelError(f"{name_of(dataset)}: its pixels cannot be written in transfer syntax {wanted}") from error


def _plugin(syntax: UID) -> str:
    """The fastest encoder that is installed."""
    available = get_encoder(syntax).available_plugins
    return next(name for name in PLUGINS if name in available)


def _uncompress(dataset: Dataset) -> None:
    frames = list(stored_frames(dataset))
    samples = 1 if frames[0].ndim == 2 else int(frames[0].shape[2])
    pixels = b"".join(frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes() for frame in frames)
    if dataset.BitsAllocated > 1:  # masks of one bit come out a byte each, and lie in native syntaxes only
        dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
        dataset.BitsAllocated = frames[0].dtype.itemsize * 8
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated <= 8 else "OW"
    dataset["PixelData"].is_undefined_length = False
    dataset.PhotometricInterpretation = _photometric(dataset, samples)
    if samples > 1:
        dataset.PlanarConfiguration = 0
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            delattr(dataset, keyword)


def _photometric(dataset: Dataset, samples: int) -> str:
    """Decoders give colour as RGB, whatever it was stored as."""
    return "RGB" if samples == 3 else str(dataset.PhotometricInterpretation)


def _require_room(dataset: Dataset) -> None:
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel", 1))
    if pixels * max(int(dataset.BitsAllocated) // 8, 1) * number_of_frames(dataset) > _MOST_BYTES:
        raise PixelError(
            f"{name_of(dataset)} is too large to be rewritten: take it as stored, or its frames one by one"
        )
