"""A single grey image of the usual kind, described from the first bytes of its file without pydicom.

pydicom needs ten times as long for the attributes of a CT slice. What is not entirely usual is left to it, so that
there is one reading of what is unusual.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.grey_scale import GreyScale
from dicomnode.dicom.head_scan import UNDEFINED_LENGTH, UnusualError, scan_to_pixels

_NUMBER = re.compile(rb"[ ]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \0]*")
_INTEGER = re.compile(rb"[+-]?[0-9]{1,11}")
# Printable ASCII that every character set repertoire has in the same places (ISO-IR 14 has not the last of it)
_TEXT = re.compile(rb"[ -\[\]-}]*")
_PADDING = b"\0 "

SOP_INSTANCE, STUDY, SERIES, PATIENT_ID = 0x00080018, 0x0020000D, 0x0020000E, 0x00100020
IMAGE_TYPE, POSITION, ORIENTATION, SPACING, THICKNESS = 0x00080008, 0x00200032, 0x00200037, 0x00280030, 0x00180050
ECHO_TIME, TRIGGER_TIME, INVERSION_TIME, TEMPORAL, ACQUISITION = (
    0x00180081,
    0x00181060,
    0x00180082,
    0x00200100,
    0x00200012,
)
_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _HIGH_BIT, _SIGN = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_INTERCEPT, _SLOPE = 0x00281052, 0x00281053
# Whatever has one of these needs a closer look: modality LUT, functional groups and what stands in them, other kinds
# of pixels, overlays that may lie among the pixels.
_UNUSUAL = frozenset(
    {
        *(0x00283000, 0x52009229, 0x52009230, 0x00209056, 0x00189082, 0x00209128, 0x00189087, 0x00189089),
        *(0x00209153, 0x00089007, 0x7FE00001, 0x7FE00002, 0x7FE00008, 0x7FE00009),
        *((group << 16) | 0x0102 for group in range(0x6000, 0x6020, 2)),
    }
)
_WANTED = _UNUSUAL | {
    *(SOP_INSTANCE, STUDY, SERIES, PATIENT_ID, IMAGE_TYPE, POSITION, ORIENTATION, SPACING, THICKNESS),
    *(ECHO_TIME, TRIGGER_TIME, INVERSION_TIME, TEMPORAL, ACQUISITION),
    *(_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH_BIT, _SIGN, _INTERCEPT, _SLOPE),
}
_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_us = struct.Struct("<H").unpack


@dataclass(frozen=True, slots=True)
class PlainImage:
    """A single-frame grey image with whole numbers for pixels.

    Attributes:
        values: Raw values by tag, of the attributes that were looked for and are there.
        transfer_syntax_uid: That the file is in.
        rows: (0028,0010), above 0.
        columns: (0028,0011), above 0.
        scale: What its stored values mean.
        offset: Where the value of Pixel Data starts in the file.
        length: Of that value, the whole frame; None if it is encapsulated.
    """

    values: Mapping[int, bytes]
    transfer_syntax_uid: str
    rows: int
    columns: int
    scale: GreyScale
    offset: int
    length: int | None

    def text(self, tag: int) -> str:
        """Text of one value, empty if absent.

        Raises:
            UnusualError: It has several values, or characters beyond those that all character sets share.
        """
        value = self.values.get(tag, b"").rstrip(_PADDING)
        if not _TEXT.fullmatch(value):
            raise UnusualError
        return value.decode("ascii")

    def numbers(self, tag: int, count: int) -> tuple[float, ...] | None:
        """Values of a decimal string, None if absent or empty.

        Raises:
            UnusualError: They are not ``count`` numbers.
        """
        return decimals(self.values.get(tag, b""), count)


def decimals(value: bytes, count: int) -> tuple[float, ...] | None:
    """As `PlainImage.numbers`, of a raw value."""
    if not value.strip(_PADDING):
        return None
    parts = value.split(b"\\")
    if len(parts) != count or not all(map(_NUMBER.fullmatch, parts)):
        raise UnusualError
    numbers = tuple(float(part.strip(_PADDING)) for part in parts)
    if not all(abs(number) < 1e300 for number in numbers):
        raise UnusualError
    return numbers


def number_text(value: bytes, *, whole: bool) -> str:
    """One decimal or integer string as pydicom writes it, empty if absent.

    Raises:
        UnusualError: It is something else.
    """
    stripped = value.strip(_PADDING)
    if stripped and not (_INTEGER if whole else _NUMBER).fullmatch(stripped):
        raise UnusualError
    return stripped.decode("ascii")


def scan_plain_image(data: bytes | memoryview, size: int) -> PlainImage:
    """Describe an image from the first bytes of its file.

    Args:
        data: They reach to its Pixel Data.
        size: Of the file, bytes.

    Raises:
        UnusualError: It is of another kind, or damaged, or ``data`` ends too early.
    """
    syntax, values, offset, length = scan_to_pixels(data, _WANTED)
    if not _UNUSUAL.isdisjoint(values) or values.get(_FRAMES, b"1").strip(_PADDING) != b"1":
        raise UnusualError
    rows, columns = _size(values, _ROWS), _size(values, _COLUMNS)
    scale = _grey_scale(values)
    encapsulated = syntax not in _UNCOMPRESSED
    if encapsulated and not UID(syntax).is_transfer_syntax:
        raise UnusualError
    image = PlainImage(values, syntax, rows, columns, scale, offset, None if encapsulated else length)
    if encapsulated:
        if length != UNDEFINED_LENGTH:
            raise UnusualError
    elif not 0 < _frame_bytes(image) <= length <= size - offset or length > _frame_bytes(image) + 1:
        raise UnusualError
    return image


def _frame_bytes(image: PlainImage) -> int:
    return image.rows * image.columns * image.scale.bits_allocated // 8


def _grey_scale(values: Mapping[int, bytes]) -> GreyScale:
    photometric = values.get(_PHOTOMETRIC, b"").strip(_PADDING)
    allocated, stored, sign = _size(values, _ALLOCATED), _size(values, _STORED), _size(values, _SIGN)
    usual = allocated in (8, 16) and 0 < stored <= allocated and sign in (0, 1)
    if not usual or photometric not in (b"MONOCHROME1", b"MONOCHROME2"):
        raise UnusualError
    if _size(values, _SAMPLES) != 1 or _size(values, _HIGH_BIT) != stored - 1:
        raise UnusualError
    slope, intercept = decimals(values.get(_SLOPE, b""), 1), decimals(values.get(_INTERCEPT, b""), 1)
    if slope == (0.0,):
        raise UnusualError
    mirrored = photometric == b"MONOCHROME1"
    return GreyScale(allocated, stored, sign == 1, mirrored, (slope or (1.0,))[0], (intercept or (0.0,))[0])


def _size(values: Mapping[int, bytes], tag: int) -> int:
    value = values.get(tag, b"")
    if len(value) != 2:
        raise UnusualError
    return int(_us(value)[0])
