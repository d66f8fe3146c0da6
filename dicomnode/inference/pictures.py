"""Picture files that are no DICOM: PNG, JPEG, TIFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from dicomnode.errors import PixelError
from dicomnode.inference.source_image import SourceImage, planar

_FORMATS = ("PNG", "JPEG", "TIFF")
_GREY_MODES = ("1", "L", "I", "I;16", "I;16L", "I;16B", "F")


def read_picture(path: Path) -> SourceImage:
    """Read a picture file as an image without a study behind it.

    Colour pictures whose three channels are equal are grey pictures, and read as such. Transparency is
    dropped; an EXIF orientation is applied; of several pages the first is read.

    Returns:
        A planar image, (1, Rows, Columns) grey in the file's own values or (3, Rows, Columns) RGB 0..255,
        without source references and without spacing.

    Raises:
        PixelError: The file is no such picture, or it is damaged or too large.
    """
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            array = _array(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise PixelError(f"picture {path} does not exist") from None
    except UnidentifiedImageError:
        raise PixelError(f"{path} is neither DICOM nor a PNG, JPEG or TIFF picture") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PixelError(f"picture {path} is damaged or too large to read: {error}") from error
    return planar(array, (), None)


def _array(picture: Image.Image) -> npt.NDArray[np.float32]:
    if picture.mode in _GREY_MODES:
        grey = picture.convert("L") if picture.mode == "1" else picture
        return np.asarray(grey, np.float32)[np.newaxis].copy()
    if picture.mode == "LA":
        return np.asarray(picture.convert("L"), np.float32)[np.newaxis].copy()
    channels = np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0)
    if (channels[0] == channels[1]).all() and (channels[0] == channels[2]).all():
        channels = channels[:1]
    return np.ascontiguousarray(channels, np.float32)
