"""What an instance says, as one digest that survives being sent from node to node.

Peers may write the same data set with other sequence lengths, group lengths, trailing padding, file
meta information, value padding or, for uncompressed pixels, another transfer syntax. None of that
changes the digest; any changed value does. Value representations are left out, because Implicit VR
does not carry them.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from pydicom import dcmread
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag
from pydicom.uid import ImplicitVRLittleEndian

from dicomnode.dicom.digest_scan import digest_parts
from dicomnode.dicom.fragments import Range, fragments
from dicomnode.dicom.head_scan import UNDEFINED_LENGTH, UnusualError, scan_to_pixels
from dicomnode.dicom.parsing import PARSE_ERRORS

_PIXEL_DATA = 0x7FE00010
_LEFT_OUT = frozenset({0xFFFCFFFC, 0x00080001})  # Data Set Trailing Padding; Length to End, retired
_WORD_BYTES = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
_DELIMITER_BYTES = 8
_LARGE_BYTES = 1 << 24
_BINARY = frozenset(_WORD_BYTES) | {"OB", "OB or OW", "US or SS", "US or OW", "US or SS or OW"}


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def content_digest(path: Path) -> str:
    """Digest of a stored instance's content, independent of how it was transferred.

    A file that cannot be parsed is digested byte by byte.

    Args:
        path: A DICOM file, with or without File Meta Information.

    Returns:
        Hex SHA-256.

    Raises:
        OSError: The file cannot be read.
    """
    if path.stat().st_size >= _LARGE_BYTES:
        try:
            return large_file_digest(path)
        except (*PARSE_ERRORS, UnusualError):
            pass
    content = path.read_bytes()
    try:
        parts = digest_parts(content)
    except UnusualError:
        return parsed_digest(content)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def parsed_digest(content: bytes) -> str:
    """As `content_digest`, of a file's bytes, by pydicom."""
    digest = hashlib.sha256()
    try:
        dataset = dcmread(BytesIO(content), force=True)
        _add_dataset(digest, dataset)
    except (*PARSE_ERRORS, OSError):  # OSError too: the bytes are in memory, so it means an unsound sequence
        return hashlib.sha256(content).hexdigest()
    return digest.hexdigest() if dataset else hashlib.sha256(content).hexdigest()


def large_file_digest(path: Path) -> str:
    """As `content_digest`, of a file that Pixel Data ends, without holding them in memory.

    Raises:
        UnusualError: It is another file.
    """
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as content,
    ):
        head, ranges = _head_and_pixels(file.fileno(), content)
        dataset = dcmread(BytesIO(content[:head]), force=True)
        digest = hashlib.sha256()
        _add_dataset(digest, dataset)
        length = sum(size for _, size in ranges)
        digest.update(_PIXEL_DATA.to_bytes(4, "big") + b"V" + length.to_bytes(8, "big"))
        for offset, size in ranges:
            digest.update(content[offset : offset + size])
    return digest.hexdigest()


def _head_and_pixels(file: int, content: memoryview) -> tuple[int, list[Range]]:
    """How many bytes stand before the element Pixel Data, and where its value lies, in one piece or in fragments."""
    syntax, _, start, length = scan_to_pixels(content, ())
    head = start - (8 if syntax == ImplicitVRLittleEndian else 12)
    if syntax != ImplicitVRLittleEndian and bytes(content[head + 4 : head + 6]) not in (b"OB", b"OW"):
        raise UnusualError
    ranges, behind = [(start, length)], 0
    if length == UNDEFINED_LENGTH:
        ranges, behind = fragments(file, start)[1], _DELIMITER_BYTES
    if not ranges or sum(ranges[-1]) + behind != len(content) or sum(size for _, size in ranges) % 2:
        raise UnusualError
    return head, ranges


def _add_dataset(digest: _Hash, dataset: Dataset) -> None:
    for tag in sorted(dataset.keys()):
        if tag.element == 0 or tag in _LEFT_OUT:
            continue
        digest.update(int(tag).to_bytes(4, "big"))
        vr = _value_representation(dataset, tag)
        element: RawDataElement | DataElement = dataset.get_item(tag)
        if vr == "SQ":
            _add_sequence(digest, dataset, tag)
        elif tag == _PIXEL_DATA and isinstance(element, RawDataElement) and element.length == 0xFFFFFFFF:
            _add_fragments(digest, element.value or b"")
        else:
            _add_value(digest, _value(dataset, tag, vr))


def _value_representation(dataset: Dataset, tag: BaseTag) -> str:
    named = dataset.get_item(tag).VR
    if named not in (None, "UN"):
        return str(named)
    try:
        return private_dictionary_VR(tag, _creator(dataset, tag)) if tag.is_private else dictionary_VR(tag)
    except KeyError:
        return "UN"


def _creator(dataset: Dataset, tag: BaseTag) -> str:
    block = BaseTag(tag.group << 16 | tag.element >> 8)
    element = dataset.get_item(block) if block in dataset else None
    value = element.value if element is not None else None
    return value.decode("ascii", "replace").strip(" \0") if isinstance(value, bytes) else str(value or "")


def _add_sequence(digest: _Hash, dataset: Dataset, tag: BaseTag) -> None:
    items = dataset[tag].value or ()
    digest.update(b"S" + len(items).to_bytes(8, "big"))
    for item in items:
        digest.update(b"I")
        _add_dataset(digest, item)
    digest.update(b"E")


def _add_value(digest: _Hash, value: bytes) -> None:
    digest.update(b"V" + len(value).to_bytes(8, "big"))
    digest.update(value)


def _add_fragments(digest: _Hash, value: bytes) -> None:
    """As the value that they make up together; a slide's may be too large to be put together."""

    def fragments() -> Iterator[bytes]:
        return islice(generate_fragments(value), 1, None)  # the first item is the Basic Offset Table

    digest.update(b"V" + sum(map(len, fragments())).to_bytes(8, "big"))
    for fragment in fragments():
        digest.update(fragment)


def _value(dataset: Dataset, tag: BaseTag, vr: str) -> bytes:
    """Raw value bytes, little endian, without what only transport put there."""
    element: RawDataElement | DataElement = dataset.get_item(tag)
    value = _encoded(element) if isinstance(element, DataElement) else element.value or b""
    if isinstance(element, RawDataElement) and not element.is_little_endian and vr in _WORD_BYTES:
        value = np.frombuffer(value, dtype=f">u{_WORD_BYTES[vr]}").byteswap().tobytes()
    if tag.is_private or vr not in _BINARY:
        return value.rstrip(b"\0 ")
    return value + bytes(len(value) % 2)  # an odd length is illegal, and mended by whoever sends it on


def _encoded(element: DataElement) -> bytes:
    # pydicom converts a few attributes while it reads: Specific Character Set, Pixel Representation.
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = True, True
    write_data_element(buffer, element)
    return buffer.getvalue()[8:]  # behind tag and length
