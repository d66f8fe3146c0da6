"""Pictures for the review page: DICOM and others as 8-bit PNG, small enough for a screen."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydicom import dcmread

from dicomnode.dicom.decoding import DECODE_ERRORS
from dicomnode.dicom.display import display_picture
from dicomnode.dicom.header import read_header
from dicomnode.dicom.pixels import FramePixels, read_frame
from dicomnode.errors import InputError, PixelError

_LONGEST_SIDE = 1600
_DICOM = ".dcm"


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture in its own pixels, without decoding it.

    Raises:
        InputError: It cannot be read.
    """
    if path.suffix.lower() == _DICOM:
        header = read_header(path)
        return header.columns or 0, header.rows or 0
    with _opened(path) as picture:
        return picture.size


def screen_picture(path: Path) -> bytes:
    """A PNG of the picture as a viewer would first show it, reduced by a whole number.

    Raises:
        InputError: It cannot be read.
    """
    shown = _of_dicom(path) if path.suffix.lower() == _DICOM else _of_picture(path)
    stream = BytesIO()
    shown.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _of_dicom(path: Path) -> Image.Image:
    try:
        dataset = dcmread(path, force=True)
    except DECODE_ERRORS as error:
        raise PixelError(f"{path.name}: is not a readable DICOM file") from error
    frame = read_frame(dataset, 0)
    channels = [np.asarray(_reduced(Image.fromarray(channel))) for channel in frame.values]
    return Image.fromarray(display_picture(dataset, FramePixels(np.stack(channels), frame.mirror)))


def _of_picture(path: Path) -> Image.Image:
    with _opened(path) as picture:
        if picture.mode not in ("I;16", "I;16B", "I", "F"):
            return _reduced(picture.convert("RGB"))
        values = np.asarray(picture, np.float32)
    low, high = np.percentile(values, (0.5, 99.5))
    shares = np.clip((values - low) / max(float(high - low), 1.0), 0, 1)
    return _reduced(Image.fromarray((shares * 255).astype(np.uint8)))


def _reduced(picture: Image.Image) -> Image.Image:
    factor = -(-max(picture.size) // _LONGEST_SIDE)
    return picture.reduce(factor) if factor > 1 else picture


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"{path.name}: is not a readable picture") from error
