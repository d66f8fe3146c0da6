"""The data set of a file as it is sent: its own bytes, or others of the same content (PS3.5 chapter 10)."""

from __future__ import annotations

import mmap
import struct
import zlib
from pathlib import Path

from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom.dsutils import encode, split_dataset

from dicomnode.delivery.recoding import recoded

_GROUP_LENGTH = struct.Struct("<132xHH2sHL")  # (0002,0000) after preamble and prefix, PS3.10 7.1


def encoded(path: Path, stored_syntax: str, syntax: str) -> memoryview:
    """The data set of a file in a transfer syntax that it can be sent in.

    Args:
        path: A file (PS3.10).
        stored_syntax: What it is in.
        syntax: What is wanted: the same, or uncompressed, deflated or not.

    Raises:
        OSError: The file cannot be read.
        ValueError: It cannot be encoded so.
    """
    content = _mapped(path)
    if syntax == stored_syntax:
        return content[_start(path, content) :]
    if syntax == DeflatedExplicitVRLittleEndian and stored_syntax == ExplicitVRLittleEndian:
        return _deflated(content[_start(path, content) :])
    wanted = UID(syntax)
    data = encode(
        recoded(path, syntax), wanted.is_implicit_VR, wanted.is_little_endian, wanted == DeflatedExplicitVRLittleEndian
    )
    if data is None:
        raise ValueError(f"its data set cannot be encoded in {wanted.name}")
    return memoryview(data)


def _mapped(path: Path) -> memoryview:
    """The file as memory, which is read as it is sent, however large it is."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _start(path: Path, content: memoryview) -> int:
    """Where the data set begins."""
    if len(content) >= _GROUP_LENGTH.size:
        group, element, vr, length, value = _GROUP_LENGTH.unpack_from(content)
        if (group, element, vr, length) == (2, 0, b"UL", 4):
            return _GROUP_LENGTH.size + int(value)
    return int(split_dataset(path)[1])


def _deflated(data: memoryview) -> memoryview:
    """Raw DEFLATE without a header, of even length (PS3.5 A.5)."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    done = compressor.compress(data) + compressor.flush()
    return memoryview(done + b"\0" * (len(done) % 2))
