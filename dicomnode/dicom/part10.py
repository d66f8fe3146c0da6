"""The head of a DICOM file (PS3.10 7.1), written before data set bytes that came over the network."""

from __future__ import annotations

import struct

from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_PREAMBLE = bytes(128) + b"DICM"


def part10_preamble(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str) -> bytes:
    """Everything of a Part 10 file that stands before the data set.

    Args:
        sop_class_uid: Media Storage SOP Class UID (0002,0002).
        sop_instance_uid: Media Storage SOP Instance UID (0002,0003).
        transfer_syntax_uid: Transfer syntax that the data set's bytes are in.
        source_ae_title: AE title of the peer that sent them; left out if empty.

    Returns:
        Preamble, prefix and File Meta Information, Explicit VR Little Endian.
    """
    group = struct.pack("<HH2sHI2s", 0x0002, 0x0001, b"OB", 0, 2, b"\x00\x01")
    group += _element(0x0002, b"UI", sop_class_uid)
    group += _element(0x0003, b"UI", sop_instance_uid)
    group += _element(0x0010, b"UI", transfer_syntax_uid)
    group += _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID)
    group += _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME)
    if source_ae_title.strip():
        group += _element(0x0016, b"AE", source_ae_title.strip())
    return _PREAMBLE + struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(group)) + group


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\x00" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 0x0002, number, vr, len(value)) + value
