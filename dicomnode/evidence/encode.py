"""A document as a Part 10 file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr_element, dcmwrite, write_data_element
from pydicom.uid import ExplicitVRLittleEndian

_UTF_8 = "ISO_IR 192"
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})  # PS3.5 table 7.1-1
_PLAIN = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UT"})
_NUMBERS = frozenset({"DS", "IS"})
_BINARY = {"FD": "d", "FL": "f", "SL": "l", "SS": "h", "UL": "L", "US": "H"}
_SHORT_MAXIMUM = 0xFFFF
_ITEM = b"\xfe\xff\x00\xe0"


class _UnusualError(Exception):
    """Something that only the library knows how to write."""


def to_bytes(dataset: Dataset) -> bytes:
    """The file of a document (PS3.10), in the transfer syntax that its file meta information names.

    The bytes are those that pydicom writes. Its writer takes tens of microseconds for each element, and a report
    of a hundred lesions has ten thousand: what is usual in a document is written here.
    """
    try:
        return _head(dataset) + b"".join(_elements(dataset, is_root=True))
    except _UnusualError:
        buffer = BytesIO()
        dcmwrite(buffer, dataset, enforce_file_format=True)
        return buffer.getvalue()


def _head(dataset: Dataset) -> bytes:
    """Preamble and file meta information; also completes the latter in the data set, as the library's writer does."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if (
        syntax != ExplicitVRLittleEndian
        or dataset.get("SpecificCharacterSet") != _UTF_8
        or dataset.original_encoding[0]
    ):
        raise _UnusualError
    first = Dataset()
    first.file_meta = dataset.file_meta
    first.SOPClassUID, first.SOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    buffer = BytesIO()
    dcmwrite(buffer, first, enforce_file_format=True)
    rest = sum(len(part) for part in _elements(first, is_root=True))
    return buffer.getvalue()[:-rest]


def _elements(dataset: Dataset, *, is_root: bool) -> Iterator[bytes]:
    """Each element of a data set, in the order of their tags."""
    for tag in sorted(dataset.keys()):
        element = dataset[tag]
        if len(element.VR) != 2:
            if not is_root:
                raise _UnusualError
            correct_ambiguous_vr_element(element, dataset, True)
        value = _value(element)
        yield _library(element) if value is None else _framed(tag, element.VR, value)


def _framed(tag: int, vr: str, value: bytes) -> bytes:
    """An element with an explicit VR (PS3.5 7.1.2)."""
    if vr in _LONG:
        return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr.encode(), 0, len(value)) + value
    if len(value) > _SHORT_MAXIMUM:
        raise _UnusualError
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def _value(element: DataElement) -> bytes | None:
    """The value field; None of a kind that is left to the library."""
    vr, value = element.VR, element.value
    if vr == "SQ":
        return _sequence(element)
    if value is None or value == "":
        return b"" if vr in _PLAIN or vr in _NUMBERS or vr in _BINARY else None
    if vr in _PLAIN:
        return _joined(value, str, b"\0" if vr == "UI" else b" ")
    if vr in _NUMBERS:
        return _joined(value, _as_written, b" ")
    if vr in _BINARY:
        numbers = list(value) if _is_many(value) else [value]
        return struct.pack(f"<{len(numbers)}{_BINARY[vr]}", *numbers)
    return None


def _joined(value: Any, text: Callable[[Any], str], padding: bytes) -> bytes | None:
    values = value if _is_many(value) else (value,)
    if text is str and not all(isinstance(one, str) for one in values):
        return None  # such as a date that is a date
    encoded = "\\".join(map(text, values)).encode()
    return encoded if len(encoded) % 2 == 0 else encoded + padding


def _is_many(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _as_written(number: Any) -> str:
    """A decimal or integer string as it was given, if it was given as a string."""
    return str(getattr(number, "original_string", number))


def _sequence(element: DataElement) -> bytes:
    if element.is_undefined_length:
        raise _UnusualError
    items = []
    for item in element.value:
        if getattr(item, "is_undefined_length_sequence_item", False) or "SpecificCharacterSet" in item:
            raise _UnusualError
        content = b"".join(_elements(item, is_root=False))
        items.append(_ITEM + struct.pack("<L", len(content)) + content)
    return b"".join(items)


def _library(element: DataElement) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_data_element(buffer, element, [_UTF_8])
    return buffer.getvalue()
