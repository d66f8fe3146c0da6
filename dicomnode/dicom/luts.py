"""Look-up tables: Modality LUT and VOI LUT items (PS3.3 C.11.1.1.1, C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class LookUpTable:
    """A table from input values to output values.

    Attributes:
        first: Input value that the first entry answers; lower ones get it too.
        values: (N,) float32 entries; inputs beyond the last get the last.
        bits: Bits of an entry, so that 2**bits - 1 is full scale.
    """

    first: int
    values: npt.NDArray[np.float32]
    bits: int

    def apply(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Map an array of any shape; inputs that are no integers are rounded."""
        indices = np.rint(inputs).astype(np.int64) - self.first
        mapped: npt.NDArray[np.float32] = self.values[np.clip(indices, 0, len(self.values) - 1)]
        return mapped


def read_lut(item: Dataset, *, signed: bool) -> LookUpTable:
    """Read an item of a Modality LUT or VOI LUT Sequence.

    Args:
        item: With LUT Descriptor (0028,3002) and LUT Data (0028,3006).
        signed: Whether the input values may be negative, and with them the second descriptor value.

    Raises:
        ValueError: Fewer entries than the descriptor says, or an impossible number of bits.
    """
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count or 1 << 16  # PS3.3 C.11.1.1.1: 0 means 65536
    if signed and first >= 1 << 15:
        first -= 1 << 16
    if not 8 <= bits <= 16:
        raise ValueError(f"a look-up table of {bits} bits an entry")
    values = _entries(item, count, bits)
    if len(values) < count:
        raise ValueError("a look-up table with fewer entries than its descriptor says")
    return LookUpTable(first, values[:count].astype(np.float32), bits)


def _entries(item: Dataset, count: int, bits: int) -> npt.NDArray[Any]:
    data = item.LUTData
    if not isinstance(data, bytes):
        return np.atleast_1d(np.asarray(data, dtype=np.uint16))
    if bits == 8 and len(data) in (count, count + 1):
        return np.frombuffer(data, np.uint8)
    order = ">" if item.original_encoding[1] is False else "<"
    return np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
