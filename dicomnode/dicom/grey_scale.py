"""Modality values of plain grey images: the same arithmetic as in `dicomnode.dicom.pixels`, without a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class GreyScale:
    """What stored values mean.

    Attributes:
        bits_allocated: 8 or 16.
        bits_stored: No more than that.
        signed: Whether they are two's complement.
        mirrored: Whether they are MONOCHROME1.
        slope: Of the rescale to modality values; not 0.
        intercept: Of it.
    """

    bits_allocated: int
    bits_stored: int
    signed: bool
    mirrored: bool
    slope: float
    intercept: float

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of uncompressed pixels, which are little endian."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    @property
    def ends(self) -> tuple[int, int]:
        """Lowest and highest value that can be stored."""
        half = 1 << (self.bits_stored - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @property
    def mirror(self) -> float | None:
        """Sum of the lowest and the highest modality value, which MONOCHROME1 is mirrored with."""
        if not self.mirrored:
            return None
        low, high = (self.slope * end + self.intercept for end in self.ends)
        return min(low, high) + max(low, high)

    def holds(self, stored: npt.NDArray[Any]) -> bool:
        """Whether every value lies between the ends; decoders cut off what does not."""
        if self.bits_stored == self.bits_allocated:
            return True
        low, high = self.ends
        return bool(stored.min() >= low and stored.max() <= high)

    def convert(self, stored: npt.NDArray[Any], out: npt.NDArray[np.float32]) -> None:
        """Write modality values, high is bright.

        Args:
            stored: (Rows, Columns) stored values.
            out: (Rows, Columns).
        """
        out[...] = stored
        if self.slope != 1:
            out *= np.float32(self.slope)
        if (self.slope, self.intercept) != (1, 0):
            out += np.float32(self.intercept)
        if self.mirror is not None:
            np.subtract(self.mirror, out, out=out)
