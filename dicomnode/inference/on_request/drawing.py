"""Images, maps and masks as PNG pictures that stand in JSON."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.dicom.picture import to_8_bit

_LONGEST = 1280
_LONGEST_MAP = 256


def map_shape(rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of a raster over an image that is fine enough for a map, which is smooth."""
    scale = min(1.0, _LONGEST_MAP / max(rows, columns))
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def picture_uri(pixels: npt.NDArray[np.float32]) -> str:
    """An image for the screen, grey values stretched, at most 1280 pixels long.

    Args:
        pixels: (1, Rows, Columns) or (3, Rows, Columns), RGB 0..255.
    """
    if len(pixels) == 1 or ((pixels[0] == pixels[1]).all() and (pixels[0] == pixels[2]).all()):
        shown = to_8_bit(pixels[0])
    else:
        shown = np.clip(np.rint(pixels.transpose(1, 2, 0)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(shown)
    picture.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    return _uri(picture)


def map_uri(values: npt.NDArray[np.floating], highest: float) -> str:
    """A map as grey values, 255 is ``highest`` and more; what is no number is transparent."""
    known = np.isfinite(values)
    scaled = np.where(known, values, 0.0) * (255.0 / highest if highest > 0 else 0.0)
    grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    if known.all():
        return _uri(_grey(grey))
    return _uri(Image.fromarray(np.dstack([grey, 255 * known.astype(np.uint8)])))


def mask_uri(mask: npt.NDArray[np.bool_]) -> str:
    """A mask, 255 inside."""
    return _uri(_grey(255 * mask.astype(np.uint8)))


def _grey(values: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(values)


def _uri(picture: Image.Image) -> str:
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
