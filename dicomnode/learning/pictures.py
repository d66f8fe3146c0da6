"""Pictures to the network's input, through the same transforms that the bundle carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pydicom
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from PIL import Image, UnidentifiedImageError
from pydicom.errors import InvalidDicomError
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

from dicomnode.dicom.pixels import read_frames
from dicomnode.errors import InputError
from dicomnode.learning.recipe import Component

Colour: TypeAlias = Literal["grey", "rgb"]
Transform: TypeAlias = Callable[[MetaTensor], MetaTensor]

_GREY_MODES = ("L", "I", "I;16", "I;16L", "I;16B", "F")
_PICTURE_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def read_picture(path: Path, colour: Colour = "grey", rotation: float = 0.0) -> MetaTensor:
    """A picture with its own pixel values; the affine is the pixel grid's identity.

    Args:
        path: A picture file, or a DICOM file (``.dcm``) whose first frame is read.
        colour: ``grey`` for (1, H, W), ``rgb`` for (3, H, W), float32 both.
        rotation: Degrees counter-clockwise by which it is turned about its centre; what turns in is black.

    Raises:
        InputError: If the file is not such a picture.
    """
    pixels = _dicom_pixels(path) if path.suffix.lower() == ".dcm" else _picture_pixels(path, colour)
    if len(pixels) != (3 if colour == "rgb" else 1):
        raise InputError(f"{path.name}: has {len(pixels)} colour channel(s), but data.colour is {colour}")
    image = torch.from_numpy(np.ascontiguousarray(pixels, np.float32))
    if rotation:
        image = rotate(image, rotation, InterpolationMode.BILINEAR)
    return MetaTensor(image, affine=torch.eye(4, dtype=torch.float64))


def _picture_pixels(path: Path, colour: Colour) -> npt.NDArray[Any]:
    try:
        with Image.open(path) as picture:
            if colour == "rgb":
                return np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0)
            grey = picture if picture.mode in _GREY_MODES else picture.convert("L")
            return np.asarray(grey)[None]
    except _PICTURE_ERRORS as error:
        raise InputError(f"{path.name}: is not a readable picture ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """What Pillow complains about, without the place of the file."""
    if isinstance(error, UnidentifiedImageError):
        return "its format is unknown, or its head is damaged"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _dicom_pixels(path: Path) -> npt.NDArray[Any]:
    try:
        dataset = pydicom.dcmread(path)
    except (OSError, InvalidDicomError) as error:
        raise InputError(f"{path.name}: is not a readable DICOM file ({error})") from error
    return next(read_frames(dataset)).values


def build_transform(components: Sequence[Component]) -> Transform:
    """MONAI's Compose of the recipe's preprocessing."""
    parser = ConfigParser({"preprocessing": compose(components)})
    transform: Transform = parser.get_parsed_content("preprocessing")
    return transform


def compose(components: Sequence[Component]) -> dict[str, Any]:
    """The preprocessing as a bundle component."""
    return {"_target_": "monai.transforms.Compose", "transforms": [dict(c) for c in components]}


def processed_boxes(boxes: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    """Boxes on the processed image.

    Args:
        boxes: (N, 4) xyxy in source pixels, corners at pixel edges.
        affine: (4, 4) from processed pixel indices (row, column) to source pixel indices.
    """
    inverse = torch.linalg.inv(affine.to(torch.float64))
    corners = boxes.to(torch.float64).reshape(-1, 2).flip(1) - 0.5  # row, column of pixel centres
    mapped = corners @ inverse[:2, :2].T + inverse[:2, 3] + 0.5
    pairs = mapped.flip(1).reshape(-1, 2, 2)
    return torch.cat([pairs.amin(1), pairs.amax(1)], dim=1).to(torch.float32)
