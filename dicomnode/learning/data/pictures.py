"""Pictures to the network's input, through the same transforms that the bundle carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from PIL import Image, UnidentifiedImageError
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

from dicomnode.errors import InputError
from dicomnode.inference.frames import read_file_frame
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.recipes.recipe import Component

Colour: TypeAlias = Literal["grey", "rgb"]
Transform: TypeAlias = Callable[[MetaTensor], MetaTensor]

_GREY_MODES = ("L", "I", "I;16", "I;16L", "I;16B", "F")
_PICTURE_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def read_sample(sample: Sample, colour: Colour = "grey") -> MetaTensor:
    """The picture or frame of a sample, turned as it says; see ``read_picture``."""
    return read_picture(sample.path, colour, sample.rotation, sample.frame)


def read_picture(path: Path, colour: Colour = "grey", rotation: float = 0.0, frame: int | None = None) -> MetaTensor:
    """A picture with its own pixel values; the affine is the pixel grid's identity.

    Args:
        path: A picture file, or a DICOM file (``.dcm``, or any where ``frame`` is given), read as the node reads it.
        colour: ``grey`` for (1, H, W), ``rgb`` for (3, H, W), float32 both.
        rotation: Degrees counter-clockwise by which it is turned about its centre; what turns in is black.
        frame: Of a DICOM file, counted from 0; the first if it is not given.

    Raises:
        InputError: If the file is not such a picture.
    """
    if frame is not None or path.suffix.lower() == ".dcm":
        pixels = read_file_frame(path, frame or 0, 3 if colour == "rgb" else 1)
    else:
        pixels = _picture_pixels(path, colour)
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
