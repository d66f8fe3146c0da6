"""Whether stored pixel values fit the bits that the header says they have."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomnode.dicom.decoding import name_of
from dicomnode.dicom.parsing import transfer_syntax_of
from dicomnode.dicom.pixels import stored_range
from dicomnode.errors import PixelError


def check_stored_bits(dataset: Dataset) -> None:
    """Check that every pixel of an uncompressed image fits Bits Stored (0028,0101).

    Decoders cut off what is above High Bit, so that a value one bit too large would come out as a small one. Overlays
    may lie in those bits (retired, PS3.5 8.1.2); then nothing can be said. Compressed images state their own precision.

    Args:
        dataset: An image with Pixel Data.

    Raises:
        PixelError: Some values are too large.
    """
    syntax = UID(transfer_syntax_of(dataset))
    allocated, stored = int(dataset.get("BitsAllocated", 0)), int(dataset.get("BitsStored", 0))
    if syntax.is_encapsulated or allocated != 16 or stored >= allocated or _overlay_in_pixels(dataset):
        return
    sign = "i" if dataset.get("PixelRepresentation", 0) == 1 else "u"
    words = np.frombuffer(dataset.PixelData, f"{'<' if syntax.is_little_endian else '>'}{sign}2")
    low, high = stored_range(dataset)
    # A sign that is not extended into the unused bits leaves small positive values.
    wrong = np.flatnonzero((words < low) | (words >= 1 << stored if low else words > high))
    if wrong.size:
        row, column = divmod(int(wrong[0]) % (dataset.Rows * dataset.Columns), int(dataset.Columns))
        pixels = "1 pixel value does" if wrong.size == 1 else f"{wrong.size} pixel values do"
        raise PixelError(
            f"{name_of(dataset)}: {pixels} not fit the {stored} bits stored (the first is {words[wrong[0]]} at row"
            f" {row + 1}, column {column + 1}): pixels and header contradict each other; correct it at the source"
        )


def _overlay_in_pixels(dataset: Dataset) -> bool:
    groups = range(0x6000, 0x6020, 2)
    return any((group, 0x0102) in dataset and (group, 0x3000) not in dataset for group in groups)
