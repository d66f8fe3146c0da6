"""Frames as picture files: what a browser shows of an image without knowing DICOM (PS3.18 8.3.5, 8.7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.dicom.display import Window, display_picture
from dicomnode.dicom.parsing import PARSE_ERRORS
from dicomnode.dicom.pixels import read_file_frame
from dicomnode.errors import PixelError, UsageError

_DEFAULT_QUALITY = 90
_MOST_GIF_FRAMES = 500
_DEFAULT_FRAME_MS = 100


@dataclass(frozen=True, slots=True)
class Viewport:
    """What part of an image is shown how large (PS3.18 8.3.5.1.3).

    Attributes:
        width: Of the picture, pixels; it is no larger.
        height: Of the picture, pixels; it is no larger.
        left: First column of the region that is shown.
        top: First row of the region.
        region_width: Columns of the region; 0: up to the right side; below 0: mirrored.
        region_height: Rows of the region; 0: down to the lower side; below 0: upside down.
    """

    width: int
    height: int
    left: int = 0
    top: int = 0
    region_width: int = 0
    region_height: int = 0

    def apply(self, picture: Image.Image) -> Image.Image:
        """The picture that fits into the viewport; its aspect ratio stays.

        Raises:
            UsageError: The region lies outside of the image.
        """
        right = self.left + abs(self.region_width) if self.region_width else picture.width
        bottom = self.top + abs(self.region_height) if self.region_height else picture.height
        box = (self.left, self.top, min(right, picture.width), min(bottom, picture.height))
        if box[0] >= box[2] or box[1] >= box[3]:
            raise UsageError(f"the viewport's region lies outside of the image of {picture.width} x {picture.height}")
        shown = picture.crop(box)
        shown = ImageOps.mirror(shown) if self.region_width < 0 else shown
        shown = ImageOps.flip(shown) if self.region_height < 0 else shown
        scale = min(self.width / shown.width, self.height / shown.height)
        size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
        return shown.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a picture is made.

    Attributes:
        window: None: as the image proposes.
        viewport: None: all of it, in its own size.
        quality: Of JPEG, 1 to 100.
    """

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = _DEFAULT_QUALITY


def read_image_head(path: Path) -> Dataset:
    """What stands in a file before its pixels."""
    return dcmread(path, stop_before_pixels=True, force=True)


def render_frame(path: Path, head: Dataset, index: int, rendering: Rendering) -> Image.Image:
    """A frame of a stored image, grey or RGB, 8 bits.

    Args:
        path: A DICOM file.
        head: From `read_image_head`.
        index: Frame, counted from 0.
        rendering: How.

    Raises:
        PixelError: It cannot be decoded or interpreted.
    """
    frame = read_file_frame(path, head, index)
    picture = Image.fromarray(display_picture(head, frame, index, rendering.window))
    return picture if rendering.viewport is None else rendering.viewport.apply(picture)


def picture_file(picture: Image.Image, media_type: str, quality: int = _DEFAULT_QUALITY) -> bytes:
    """A picture as a file.

    Args:
        picture: Grey or RGB.
        media_type: image/jpeg, image/png or image/gif.
        quality: Of JPEG.
    """
    buffer = BytesIO()
    if media_type == "image/jpeg":
        picture.save(buffer, "JPEG", quality=quality)
    else:
        picture.save(buffer, "PNG" if media_type == "image/png" else "GIF")
    return buffer.getvalue()


def moving_picture(path: Path, head: Dataset, frames: Sequence[int], rendering: Rendering) -> bytes:
    """Frames of an image as an animated GIF, in their recorded time.

    Raises:
        PixelError: There are too many, or one cannot be decoded.
    """
    if len(frames) > _MOST_GIF_FRAMES:
        raise PixelError(f"{len(frames)} frames are too many for one GIF: ask for frames, or for multipart/related")
    first, *others = [render_frame(path, head, index, rendering) for index in frames]
    buffer = BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=_frame_ms(head), loop=0)
    return buffer.getvalue()


def _frame_ms(head: Dataset) -> int:
    """Frame Time (0018,1063), ms, else what Cine Rate (0018,0040) says."""
    try:
        if head.get("FrameTime"):
            return max(20, round(float(head.FrameTime)))
        if head.get("CineRate"):
            return max(20, round(1000 / float(head.CineRate)))
    except (*PARSE_ERRORS, ZeroDivisionError):
        pass
    return _DEFAULT_FRAME_MS
