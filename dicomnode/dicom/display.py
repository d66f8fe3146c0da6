"""Modality values as 8-bit pictures: VOI LUT and window (PS3.3 C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicomnode.dicom.decoding import DECODE_ERRORS
from dicomnode.dicom.frames import frame_attribute
from dicomnode.dicom.luts import LookUpTable, read_lut
from dicomnode.dicom.pixels import FramePixels

Picture = npt.NDArray[np.uint8]

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
# Without a window, the darkest and brightest half percent are noise and markers, not anatomy.
_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True, slots=True)
class Window:
    """A window over modality values (PS3.3 C.11.2.1.2).

    Attributes:
        center: Window Center (0028,1050), modality units.
        width: Window Width (0028,1051), modality units; above 0, and at least 1 if linear.
        function: LINEAR, LINEAR_EXACT or SIGMOID.
    """

    center: float
    width: float
    function: str = "LINEAR"

    def apply(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map modality values to 0..1."""
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (values - self.center) / self.width, -80, 80)
            return np.asarray(1 / (1 + np.exp(exponent)), np.float32)
        if self.function == "LINEAR_EXACT":
            return np.asarray(np.clip((values - self.center) / self.width + 0.5, 0, 1), np.float32)
        if self.width == 1:
            return (values > self.center - 0.5).astype(np.float32)
        return np.asarray(np.clip((values - self.center + 0.5) / (self.width - 1) + 0.5, 0, 1), np.float32)


def read_window(dataset: Dataset, index: int = 0) -> Window | None:
    """The first window that an image proposes for a frame, or None if it proposes none that is valid."""
    center = _first_number(frame_attribute(dataset, index, "FrameVOILUTSequence", "WindowCenter"))
    width = _first_number(frame_attribute(dataset, index, "FrameVOILUTSequence", "WindowWidth"))
    function = str(frame_attribute(dataset, index, "FrameVOILUTSequence", "VOILUTFunction") or "LINEAR")
    if center is None or width is None or function not in _FUNCTIONS:
        return None
    if width <= 0 or (function == "LINEAR" and width < 1):
        return None
    return Window(center, width, function)


def display_picture(dataset: Dataset, frame: FramePixels, index: int = 0, window: Window | None = None) -> Picture:
    """A frame as a viewer would first show it.

    A VOI LUT goes before a window; without either, the picture's own percentiles decide.

    Args:
        dataset: The image that ``frame`` was read from.
        frame: As ``read_frames`` gives it.
        index: Which frame it is, counted from 0.
        window: Goes before what the image proposes.

    Returns:
        (Rows, Columns) grey or (Rows, Columns, 3) RGB.
    """
    if frame.values.shape[0] == 3:
        return np.moveaxis(_to_bytes(frame.values / np.float32(255)), 0, -1)
    values = frame.values[0]
    # VOI transformations are defined on values before MONOCHROME1 is mirrored (PS3.3 C.7.6.3.1.2).
    unmirrored = values if frame.mirror is None else np.float32(frame.mirror) - values
    shown = _voi(dataset, unmirrored, index) if window is None else window.apply(unmirrored)
    return _to_bytes(shown if frame.mirror is None else 1 - shown)


def _voi(dataset: Dataset, values: npt.NDArray[np.float32], index: int) -> npt.NDArray[np.float32]:
    lut = _voi_lut(dataset, bool(values.min() < 0))
    if lut is not None:
        return lut.apply(values) / np.float32((1 << lut.bits) - 1)
    window = read_window(dataset, index)
    return _stretched(values) if window is None else window.apply(values)


def _voi_lut(dataset: Dataset, signed: bool) -> LookUpTable | None:
    items = dataset.get("VOILUTSequence", None)
    if not items:
        return None
    try:
        return read_lut(items[0], signed=signed)
    except DECODE_ERRORS:
        return None  # a damaged table only costs the proposed contrast


def _stretched(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    low, high = np.percentile(values, _PERCENTILES)
    if high <= low:
        low, high = values.min(), values.max()
    if high <= low:
        return np.zeros_like(values)
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)


def _to_bytes(shares: npt.NDArray[np.float32]) -> Picture:
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def _first_number(value: object) -> float | None:
    first = next(iter(value), None) if isinstance(value, MultiValue) else value
    try:
        number = float(str(first))
    except ValueError:
        return None
    return number if np.isfinite(number) else None
