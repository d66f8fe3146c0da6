"""What pydicom raises, and how the bytes of a file are encoded."""

from __future__ import annotations

import struct
import zlib

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.uids import valid_uid

# What pydicom raises on bytes that are no sound data set.
PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    struct.error,
    zlib.error,
)


def transfer_syntax_of(dataset: Dataset) -> str:
    """Transfer syntax that a file was read in: as its meta information says, else as its bytes were found to be.

    A data set that was never in a file counts as Explicit VR Little Endian.
    """
    meta = getattr(dataset, "file_meta", None)
    named = meta.get("TransferSyntaxUID", None) if meta is not None else None
    if named and valid_uid(str(named)):
        return str(named)
    implicit, little_endian = dataset.original_encoding
    if implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRBigEndian if little_endian is False else ExplicitVRLittleEndian)
