"""What a content digest is made of, found by walking a file's bytes: a tenth of pydicom's time for its head.

It gives up on anything unusual, and pydicom decides then.
"""

from __future__ import annotations

import re
import struct
from itertools import pairwise

from pydicom.datadict import dictionary_VR
from pydicom.uid import ImplicitVRLittleEndian

from dicomnode.dicom.head_scan import UNDEFINED_LENGTH, UnusualError, element_at, transfer_syntax_at

_ITEM, _ITEM_END, _SEQUENCE_END, _PIXEL_DATA = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x7FE00010
_CHARACTER_SET, _PADDING, _LENGTH_TO_END = 0x00080005, 0xFFFCFFFC, 0x00080001
_MAXIMUM_DEPTH, _DELIMITERS = 16, 0xFFFE
_SHORT = 4096
# What pydicom, which converts it while it reads, writes back byte for byte
_PLAIN_TERMS = re.compile(rb"(?:[A-Z0-9_]+(?: [A-Z0-9_]+)*)?(?:\\[A-Z0-9_]+(?: [A-Z0-9_]+)*)*[ \0]?")
_BINARY = frozenset(b"AT OW SS US FL OF OL SL UL FD OD OV SV UV OB".split())
_UNKNOWN = b"UN"

Part = bytes | memoryview


def digest_parts(content: bytes) -> list[Part]:
    """The bytes that a digest of the content is taken of, in order.

    Args:
        content: A whole file.

    Raises:
        UnusualError: It is no little-endian file with File Meta Information, or something in it is not entirely usual.
    """
    try:
        syntax, start = transfer_syntax_at(content)
        walk = _Walk(content, syntax != ImplicitVRLittleEndian)
        if walk.data_set(start, len(content), 0) != len(content):
            raise UnusualError
    except (struct.error, KeyError) as error:
        raise UnusualError from error
    return _joined(walk.parts)


def _joined(parts: list[Part]) -> list[Part]:
    """The same with short pieces put together: each call of a hash takes a microsecond."""
    long = [index for index, part in enumerate(parts) if len(part) > _SHORT]
    joined: list[Part] = []
    for first, last in pairwise([-1, *long, len(parts)]):
        joined.append(b"".join(parts[first + 1 : last]))
        joined += parts[last : last + 1]
    return joined


class _Walk:
    def __init__(self, content: bytes, explicit: bool) -> None:
        self._content, self._view, self._explicit = content, memoryview(content), explicit
        self.parts: list[Part] = []

    def data_set(self, offset: int, end: int | None, depth: int) -> int:
        """Up to ``end``, or to the end of an item of undefined length; returns where the next element starts."""
        if depth > _MAXIMUM_DEPTH:
            raise UnusualError
        previous = -1
        while offset != end:
            tag, length, start = element_at(self._content, offset, self._explicit)
            if tag == _ITEM_END and end is None and length == 0:
                return start
            if tag <= previous or tag >> 16 == _DELIMITERS or offset > (end or offset):
                raise UnusualError
            previous, offset = tag, self._element(tag, length, offset, start, depth)
        return offset

    def _element(self, tag: int, length: int, offset: int, start: int, depth: int) -> int:
        vr = self._content[offset + 4 : offset + 6] if self._explicit else _implied(tag)
        if vr == _UNKNOWN:
            raise UnusualError
        if tag & 0xFFFF == 0 or tag in (_PADDING, _LENGTH_TO_END):
            if length == UNDEFINED_LENGTH or start + length > len(self._content):
                raise UnusualError
            return start + length
        self.parts.append(tag.to_bytes(4, "big"))
        if vr == b"SQ":
            return self._sequence(start, length, depth)
        if length == UNDEFINED_LENGTH:
            return self._fragments(tag, start)
        self._value(tag, vr, start, start + length)
        return start + length

    def _value(self, tag: int, vr: bytes, start: int, end: int) -> None:
        if end > len(self._content):
            raise UnusualError
        if tag == _CHARACTER_SET and not _PLAIN_TERMS.fullmatch(self._content, start, end):
            raise UnusualError
        value: Part = self._view[start:end]
        if tag >> 16 & 1 or vr not in _BINARY:
            value = self._content[start:end].rstrip(b"\0 ")
        padding = bytes(len(value) % 2) if value.__class__ is memoryview else b""
        self.parts += (b"V" + (len(value) + len(padding)).to_bytes(8, "big"), value, padding)

    def _sequence(self, offset: int, length: int, depth: int) -> int:
        place, count = len(self.parts), 0
        self.parts.append(b"")
        end = None if length == UNDEFINED_LENGTH else offset + length
        while offset != end:
            tag, size, start = element_at(self._content, offset, False)
            if tag == _SEQUENCE_END and end is None and size == 0:
                offset = start
                break
            if tag != _ITEM or offset > (end or offset):
                raise UnusualError
            count += 1
            self.parts.append(b"I")
            undefined = size == UNDEFINED_LENGTH
            offset = self.data_set(start, None if undefined else start + size, depth + 1)
        self.parts[place] = b"S" + count.to_bytes(8, "big")
        self.parts.append(b"E")
        return offset

    def _fragments(self, tag: int, offset: int) -> int:
        if tag != _PIXEL_DATA:
            raise UnusualError
        found: list[memoryview] = []
        while True:
            tag, size, start = element_at(self._content, offset, False)
            offset = start + size
            if tag == _SEQUENCE_END and size == 0:
                break
            if tag != _ITEM or offset > len(self._content):
                raise UnusualError
            found.append(self._view[start:offset])
        total = sum(map(len, found[1:]))  # the first item is the Basic Offset Table
        self.parts += (b"V" + total.to_bytes(8, "big"), *found[1:])
        return offset


def _implied(tag: int) -> bytes:
    """VR of an element in Implicit VR; a KeyError if it is in no dictionary."""
    if tag >> 16 & 1:
        raise UnusualError  # only its creator's dictionary could tell a sequence
    vr = "UL" if tag & 0xFFFF == 0 else dictionary_VR(tag)
    return vr.encode("ascii")[:2]
