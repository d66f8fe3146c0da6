"""What the journal of arrivals holds: records whose length, digest and number tell a whole one from a torn one."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dicomnode.archive.records import Origin, Way

# No record shares a page with another, so that none is written again once it is acknowledged.
PAGE_BYTES = 4096
_MARK = b"DNJ1"
_HEAD = struct.Struct("<4sIQII")  # mark, CRC-32 of what follows up to the content, number, bytes of text, of content
_AFTER_CRC = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """The record of an arrival.

    Attributes:
        origin: Where it came from.
        at: When.
        sha256: Hex digest of the file.
        size: Of the file, in bytes.
    """

    origin: Origin
    at: datetime
    sha256: str
    size: int

    def to_text(self) -> bytes:
        """As it is written."""
        origin = self.origin
        sender = (origin.way, origin.calling_ae_title, origin.called_ae_title, origin.peer)
        return json.dumps([*sender, self.at.isoformat(), self.sha256, self.size]).encode()

    @classmethod
    def from_text(cls, text: bytes) -> Entry:
        """The inverse of `to_text`."""
        way, calling, called, peer, at, sha256, size = json.loads(text)
        return cls(Origin(Way(way), calling, called, peer), datetime.fromisoformat(at), sha256, size)


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as it was read.

    Attributes:
        number: Counts the records of a journal.
        entry: The arrival.
        content: The file, empty if it lies where its digest says.
    """

    number: int
    entry: Entry
    content: memoryview


def encoded(number: int, text: bytes, content_bytes: int) -> bytes:
    """A record as it is written, without its content and the rest of its last page."""
    checked = _HEAD.pack(_MARK, 0, number, len(text), content_bytes)[_AFTER_CRC:] + text
    return b"".join((_MARK, zlib.crc32(checked).to_bytes(4, "little"), checked))


def pages(size: int) -> int:
    """Bytes of whole pages that so many bytes take."""
    return -(-size // PAGE_BYTES) * PAGE_BYTES


def records_in(segment: bytes) -> Iterator[Record]:
    """The records of a segment up to its end, or to one that is torn or left over from an earlier use of it.

    Contents are not checked: the digest in their entry tells whether they are whole.
    """
    offset, last = 0, -1
    while offset + _HEAD.size <= len(segment):
        mark, crc, number, text_bytes, content_bytes = _HEAD.unpack_from(segment, offset)
        text_at, content_at = offset + _HEAD.size, offset + _HEAD.size + text_bytes
        end = content_at + content_bytes
        if mark != _MARK or end > len(segment) or (last >= 0 and number != last + 1):
            return
        if zlib.crc32(segment[offset + _AFTER_CRC : content_at]) != crc:
            return
        yield Record(number, Entry.from_text(segment[text_at:content_at]), memoryview(segment)[content_at:end])
        offset, last = pages(end), number
