"""Frames of stored files as pictures for a screen: reduced, windowed, without reading more of a file than needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.dicom.decoding import DECODE_ERRORS
from dicomnode.dicom.display import Picture, Window, display_picture
from dicomnode.dicom.pixels import FramePixels, read_file_frame
from dicomnode.dicom.tiling import FramePlace, frame_places, total_size
from dicomnode.errors import ImageError, PixelError

_MOST_TILES = 400
_GLASS = 244  # of a slide where no tile lies


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a picture is wanted.

    Attributes:
        side: Longest side, pixels; a smaller image stays as it is.
        window: In place of what the image proposes, or None.
        whole_range: From the lowest to the highest value of the frame; goes before ``window``.
    """

    side: int
    window: Window | None = None
    whole_range: bool = False


def frame_picture(path: Path, index: int, wanted: Wanted) -> tuple[Picture, float]:
    """A frame of a stored file, counted from 0.

    Returns:
        (Rows, Columns) grey or (Rows, Columns, 3) RGB; and its size as a share of the stored one.

    Raises:
        PixelError: There is no such frame, or it cannot be decoded.
    """
    dataset, frame = _read(path, index)
    smaller = _reduced(frame, wanted.side)
    window = _whole_range(frame) if wanted.whole_range else wanted.window
    scale = smaller.values.shape[2] / frame.values.shape[2]
    return display_picture(dataset, smaller, index, window), scale


def slide_picture(path: Path, side: int) -> Picture:
    """A tiled image as a whole, its tiles put together and reduced.

    Args:
        path: A tiled image.
        side: Longest side, pixels.

    Raises:
        PixelError: It has too many tiles for a picture on a page, or they cannot be decoded.
    """
    try:
        head = dcmread(path, stop_before_pixels=True)
        places, (rows, columns) = frame_places(head), total_size(head)
    except (*DECODE_ERRORS, ImageError) as error:
        raise PixelError(f"the slide in {path.name} does not say where its tiles lie") from error
    if len(places) > _MOST_TILES:
        raise PixelError(
            f"the slide has {len(places)} tiles at its lowest magnification, too many for a page: open it in a viewer"
        )
    scale = min(1.0, side / max(rows, columns))
    sheet = Image.new("RGB", (max(1, round(columns * scale)), max(1, round(rows * scale))), (_GLASS,) * 3)
    for index, place in enumerate(places):
        sheet.paste(_tile(path, index, scale), _corner(place, scale))
    return np.asarray(sheet, np.uint8)


def _tile(path: Path, index: int, scale: float) -> Image.Image:
    _, frame = _read(path, index)
    rows, columns = frame.values.shape[1:]
    channels = frame.values if len(frame.values) == 3 else np.repeat(frame.values, 3, axis=0)
    pixels = np.rint(np.clip(np.moveaxis(channels, 0, -1), 0, 255)).astype(np.uint8)
    # One pixel more than its share, so that rounding leaves no seams.
    size = (max(1, int(np.ceil(columns * scale)) + 1), max(1, int(np.ceil(rows * scale)) + 1))
    return Image.fromarray(pixels).resize(size, Image.Resampling.BOX)


def _corner(place: FramePlace, scale: float) -> tuple[int, int]:
    return int(place.left * scale), int(place.top * scale)


def _read(path: Path, index: int) -> tuple[Dataset, FramePixels]:
    try:
        head = dcmread(path, stop_before_pixels=True)
        return head, read_file_frame(path, head, index)
    except DECODE_ERRORS as error:
        raise PixelError(f"frame {index + 1} of {path.name} cannot be read") from error


def _reduced(frame: FramePixels, side: int) -> FramePixels:
    """Reduced before it is windowed: a twentieth of the work, and means of values, not of shades."""
    rows, columns = frame.values.shape[1:]
    scale = side / max(rows, columns)
    if scale >= 1:
        return frame
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    channels = [Image.fromarray(values).resize(size, Image.Resampling.BOX) for values in frame.values]
    return FramePixels(np.stack([np.asarray(channel, np.float32) for channel in channels]), frame.mirror)


def _whole_range(frame: FramePixels) -> Window:
    values: npt.NDArray[np.float32] = frame.values
    low, high = float(values.min()), float(values.max())
    if frame.mirror is not None:
        low, high = frame.mirror - high, frame.mirror - low
    return Window((low + high) / 2, max(high - low, 1e-3), "LINEAR_EXACT")
