"""What the first bytes of a data set tell while they are in memory: what it is, and where it has to end.

Most data sets end with a value whose length stands at its beginning, the pixels. Where that holds, and the last byte
comes where it should, nobody needs to read the file once more; everything else is left to `read_header` and
`require_whole`, which this must never contradict.
"""

from __future__ import annotations

import struct

from dicomnode.dicom.header import InstanceHeader, scan_first_bytes
from dicomnode.errors import NotDicomError

_IMPLICIT = "1.2.840.10008.1.2"
_NOT_FOLLOWED = frozenset({"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"})  # big endian, deflated
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
_UNDEFINED = 0xFFFFFFFF
_EXPLICIT_HEAD, _IMPLICIT_HEAD, _LENGTH = struct.Struct("<HH2sH"), struct.Struct("<HHI"), struct.Struct("<I")


class Glance:
    """Takes the first piece of a data set.

    Attributes:
        header: What the instance is; None if these bytes do not tell.
    """

    def __init__(self, first: memoryview, transfer_syntax_uid: str) -> None:
        self.header: InstanceHeader | None = None
        self._end: int | None = None
        if transfer_syntax_uid in _NOT_FOLLOWED:
            return
        try:
            self.header = scan_first_bytes(first, transfer_syntax_uid)
            self._end = end_of_outline(first, transfer_syntax_uid == _IMPLICIT)
        except (NotDicomError, struct.error):
            return

    def is_whole(self, size: int) -> bool:
        """Whether a data set of so many bytes is surely whole; False means that it has to be looked at."""
        return self.header is not None and self._end == size


def end_of_outline(first: memoryview, implicit: bool) -> int | None:
    """Where the last element ends that begins in these bytes.

    Args:
        first: The beginning of a data set, Little Endian.
        implicit: Whether in Implicit VR.

    Returns:
        None if the outline is not one of plain, ascending elements of known length.
    """
    at, before = 0, -1
    end = len(first)
    while at + 12 <= end:
        if implicit:
            group, element, length = _IMPLICIT_HEAD.unpack_from(first, at)
            at += 8
        else:
            group, element, vr, length = _EXPLICIT_HEAD.unpack_from(first, at)
            at += 8
            if vr in _LONG:
                (length,) = _LENGTH.unpack_from(first, at)
                at += 4
            elif vr not in _SHORT:
                return None
        tag = group << 16 | element
        if tag <= before or length == _UNDEFINED:
            return None
        before = tag
        at += length
    return at if at >= end else None
