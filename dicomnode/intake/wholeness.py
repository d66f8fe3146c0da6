"""Whether a data set ends where it says and keeps within bounds; any other is refused before it is acknowledged.

Only the outline is walked (PS3.5 chapter 7 and A.4): tags and lengths, no values. What cannot be
followed, for instance because a device wrote a wrong VR, counts as whole: this is no validator.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dicomnode.errors import NotDicomError

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
_IMPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
# Far beyond any real data set, and well within what a reader of it survives.
_DEEPEST = 64
_MOST_ELEMENTS = 5_000_000
_MOST_INFLATED_BYTES = 1 << 32
_LARGEST_RATIO = 200
_HARMLESS_BYTES = 64 << 20


class _TruncatedError(Exception):
    """The file ends inside an element."""


class _LostError(Exception):
    """The outline cannot be followed."""


class _ExcessiveError(Exception):
    """The data set would cost its readers more than any real one does; says how."""


@dataclass(frozen=True, slots=True)
class _Syntax:
    implicit: bool
    big_endian: bool


def require_whole(source: BinaryIO | Path, transfer_syntax_uid: str) -> None:
    """Check that a file (PS3.10, with File Meta Information) was not cut off.

    Raises:
        NotDicomError: It ends inside an element, or is made to exhaust whoever reads it.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            _require_whole(file, transfer_syntax_uid)
    else:
        _require_whole(source, transfer_syntax_uid)


def _require_whole(file: BinaryIO, transfer_syntax_uid: str) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = _after_meta(file)
    if start is None:
        return
    try:
        if transfer_syntax_uid in _DEFLATED:
            _require_whole_deflate(file)
        else:
            syntax = _Syntax(transfer_syntax_uid == _IMPLICIT, transfer_syntax_uid == _BIG_ENDIAN)
            _Walker(file, size, start).elements(syntax, size, 0)
    except _TruncatedError:
        raise NotDicomError(
            f"the data set is truncated: it ends after {size - start} bytes, inside an element; send it again"
        ) from None
    except _ExcessiveError as error:
        raise NotDicomError(f"the data set {error}; no device writes such a one, so it is not kept") from None
    except (_LostError, struct.error):
        return


def _after_meta(file: BinaryIO) -> int | None:
    """Move to the data set; None if the file meta does not say where that is."""
    head = file.read(144)
    if len(head) < 144 or head[128:132] != b"DICM" or head[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        return None
    start = 144 + int.from_bytes(head[140:144], "little")
    file.seek(start)
    return start


def _require_whole_deflate(file: BinaryIO) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    taken = given = 0
    try:
        while (block := file.read(1 << 20)) and not inflater.eof:
            taken += len(block)
            while block:
                given += len(inflater.decompress(block, 1 << 20))
                block = inflater.unconsumed_tail
                _require_modest(taken, given)
    except zlib.error:
        raise _LostError from None
    if not inflater.eof:
        raise _TruncatedError


def _require_modest(deflated: int, inflated: int) -> None:
    """Pixels deflate to a half or a third; zeros to a thousandth."""
    if inflated > _MOST_INFLATED_BYTES or (inflated > _HARMLESS_BYTES and inflated > _LARGEST_RATIO * deflated):
        raise _ExcessiveError(f"inflates to more than {inflated >> 20} MiB from {deflated >> 10} KiB")


class _Walker:
    """Walks over elements, jumping over their values."""

    def __init__(self, file: BinaryIO, size: int, position: int) -> None:
        self._file = file
        self._size = size
        self._at = position
        self._count = 0

    def elements(self, syntax: _Syntax, end: int, depth: int) -> None:
        """Walk over a data set: to `end`, or to the delimiter of its item where depth is not 0."""
        if depth > _DEEPEST:
            raise _ExcessiveError(f"nests sequences more than {_DEEPEST} deep")
        previous = -1
        while self._at + 8 <= end:
            tag, vr, length = self._header(syntax)
            self._count += 1
            if self._count > _MOST_ELEMENTS:
                raise _ExcessiveError(f"holds more than {_MOST_ELEMENTS} elements")
            if tag == _ITEM_END and depth:
                return
            if tag <= previous:
                raise _LostError  # tags only ascend, PS3.5 7.1
            previous = tag
            if length == _UNDEFINED:
                self._undefined(tag, vr, syntax, depth)
            else:
                self._jump(length)
        if depth == 0 and self._file.read().strip(b"\0"):
            raise _TruncatedError  # a few zeros at the end are padding that some devices write
        if depth and end == self._size:
            raise _TruncatedError

    def _undefined(self, tag: int, vr: bytes, syntax: _Syntax, depth: int) -> None:
        if tag == _PIXEL_DATA:
            self._fragments(syntax)
        elif vr in (b"SQ", b"UN", b""):
            # An unknown sequence is written in Implicit VR Little Endian, PS3.5 6.2.2.
            self._items(_Syntax(True, False) if vr == b"UN" else syntax, depth)
        else:
            raise _LostError

    def _fragments(self, syntax: _Syntax) -> None:
        while True:
            tag, length = self._item_header(syntax)
            if tag == _SEQUENCE_END:
                return
            if tag != _ITEM or length == _UNDEFINED:
                raise _LostError
            self._jump(length)

    def _items(self, syntax: _Syntax, depth: int) -> None:
        while True:
            tag, length = self._item_header(syntax)
            if tag == _SEQUENCE_END:
                return
            if tag != _ITEM:
                raise _LostError
            if length == _UNDEFINED:
                self.elements(syntax, self._size, depth + 1)
            else:
                self._jump(length)

    def _header(self, syntax: _Syntax) -> tuple[int, bytes, int]:
        """Tag, VR (empty in Implicit VR) and value length of the next element."""
        order = ">" if syntax.big_endian else "<"
        data = self._read(8)
        group, element = struct.unpack(f"{order}HH", data[:4])
        tag = group << 16 | element
        if syntax.implicit or group == 0xFFFE:
            return tag, b"", struct.unpack(f"{order}I", data[4:])[0]
        vr = data[4:6]
        if not vr.isalpha() or not vr.isupper():
            raise _LostError
        if vr in _LONG_VRS:
            return tag, vr, struct.unpack(f"{order}I", self._read(4))[0]
        return tag, vr, struct.unpack(f"{order}H", data[6:])[0]

    def _item_header(self, syntax: _Syntax) -> tuple[int, int]:
        group, element, length = struct.unpack(">HHI" if syntax.big_endian else "<HHI", self._read(8))
        return group << 16 | element, length

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise _TruncatedError
        self._at += count
        return data

    def _jump(self, length: int) -> None:
        self._at += length
        if self._at > self._size:
            raise _TruncatedError
        self._file.seek(self._at)
