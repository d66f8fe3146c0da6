"""Where the frames of encapsulated Pixel Data lie in a file (PS3.5 A.4), found without reading them."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from itertools import pairwise

_item = struct.Struct("<HHL").unpack
_ITEM, _END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)

Range = tuple[int, int]


class CutError(ValueError):
    """Encapsulated pixels end too early, or are no sequence of fragments."""


def fragments(file: int, offset: int) -> tuple[tuple[int, ...], list[Range]]:
    """The Basic Offset Table and the fragments of encapsulated Pixel Data.

    Args:
        file: Descriptor of an open file, little endian.
        offset: Where the value of Pixel Data starts.

    Returns:
        The table's values, and offset in the file and length of each fragment.

    Raises:
        CutError: The file ends before the sequence does.
    """
    size = os.fstat(file).st_size
    found: list[Range] = []
    while True:
        head = os.pread(file, 8, offset)
        if len(head) < 8:
            raise CutError("the pixels end too early")
        group, number, length = _item(head)
        if (group, number) == _END:
            break
        if (group, number) != _ITEM or offset + 8 + length > size:
            raise CutError("the pixels are no sequence of fragments")
        found.append((offset + 8, length))
        offset += 8 + length
    if not found:
        raise CutError("the pixels have no offset table")
    start, length = found[0]
    table = struct.unpack(f"<{length // 4}L", os.pread(file, length - length % 4, start))
    return table, found[1:]


def frame_ranges(table: Sequence[int], found: Sequence[Range], frames: int) -> list[list[Range]] | None:
    """The fragments of each frame; None if they do not tell on their own where a frame begins.

    Args:
        table: Basic Offset Table, perhaps empty.
        found: Fragments.
        frames: Number of Frames.
    """
    if frames == 1:
        return [list(found)]
    if len(found) == frames:
        return [[item] for item in found]
    if len(table) != frames or not found:
        return None
    starts = {offset - found[0][0]: index for index, (offset, _) in enumerate(found)}
    if table[0] != 0 or not starts.keys() >= set(table):
        return None
    borders = [*(starts[value] for value in table), len(found)]
    return [list(found[first:last]) for first, last in pairwise(borders)]
