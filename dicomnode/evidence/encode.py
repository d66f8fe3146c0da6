"""A document as a Part 10 file."""

from __future__ import annotations

from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite


def to_bytes(dataset: Dataset) -> bytes:
    """The file of a document (PS3.10), in the transfer syntax that its file meta information names."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
