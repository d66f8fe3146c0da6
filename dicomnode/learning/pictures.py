"""Pictures to the network's input, through the same transforms that the bundle carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from PIL import Image, UnidentifiedImageError

from dicomnode.errors import InputError
from dicomnode.learning.recipe import Component

Transform: TypeAlias = Callable[[MetaTensor], MetaTensor]


def read_picture(path: Path) -> MetaTensor:
    """A grey picture as (1, H, W) float32 with its own pixel values; the affine is the pixel grid's identity.

    Raises:
        InputError: If the file is not a picture.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("L") if picture.mode in ("RGB", "RGBA", "P") else picture)
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"{path.name}: is not a readable picture ({error})") from error
    return MetaTensor(torch.from_numpy(pixels.astype(np.float32))[None], affine=torch.eye(4, dtype=torch.float64))


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
