"""Picture files that are no DICOM: PNG, JPEG, TIFF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from dicomnode.errors import PixelError
from dicomnode.inference.source_image import SourceImage, planar

_FORMATS = ("PNG", "JPEG", "TIFF")
_MOST_PAGES = 256
_SUBFILE_TYPE, _COPY_OR_MASK = 254, 0b101
_GREY_MODES = ("1", "L", "I", "I;16", "I;16L", "I;16B", "F")


def read_picture(path: Path) -> SourceImage:
    """The first page of a picture file, or its only one; as `read_pages`.

    Raises:
        PixelError: The file is no such picture, or it is damaged or too large.
    """
    return next(read_pages(path))


def read_pages(path: Path, most_pixels: int | None = None) -> Iterator[SourceImage]:
    """Read a picture file as images without a study behind them, one for each page of a TIFF.

    Colour pictures whose three channels are equal are grey pictures, and read as such. Transparency is
    dropped; an EXIF orientation is applied. Pages that are smaller copies or masks of others are passed over
    (TIFF 6.0, NewSubfileType).

    Args:
        path: PNG, JPEG or TIFF.
        most_pixels: Of all pages together; None: Pillow's own limit for each.

    Yields:
        Planar images, (1, Rows, Columns) grey in the file's own values or (3, Rows, Columns) RGB 0..255,
        without source references and without spacing.

    Raises:
        PixelError: The file is no such picture, or it is damaged or too large.
    """
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            for _ in _pages(picture, most_pixels):
                yield planar(_array(ImageOps.exif_transpose(picture)), (), None)
    except FileNotFoundError:
        raise PixelError(f"picture {path} does not exist") from None
    except UnidentifiedImageError:
        raise PixelError(f"{path} is neither DICOM nor a PNG, JPEG or TIFF picture") from None
    except PixelError as error:
        raise PixelError(f"picture {path}: {error}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PixelError(f"picture {path} is damaged or too large to read: {error}") from error


def _pages(picture: ImageFile, most_pixels: int | None) -> Iterator[None]:
    """Turn to one page after the other; look how large it is before it is decoded."""
    count = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
    if count > _MOST_PAGES:
        raise PixelError(f"it has {count} pages, and {_MOST_PAGES} are the limit")
    pixels = 0
    for page in range(count):
        if count > 1:
            picture.seek(page)
        if page and isinstance(picture, TiffImageFile) and picture.tag_v2.get(_SUBFILE_TYPE, 0) & _COPY_OR_MASK:
            continue
        pixels += picture.width * picture.height
        if most_pixels is not None and pixels > most_pixels:
            raise PixelError(f"it holds {pixels} pixels or more, and {most_pixels} are the limit")
        yield None


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
