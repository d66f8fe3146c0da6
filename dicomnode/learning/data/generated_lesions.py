"""Generated pictures with outlined lesions, on which any detection recipe can be tried without data."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.errors import RecipeError
from dicomnode.learning.data.annotations import AnnotatedImage, AnnotationSet, Region, write_coco
from dicomnode.learning.data.samples import Box
from dicomnode.learning.data.shapes import Outline, shape_mask
from dicomnode.learning.recipes.recipe import Recipe

_COUNTS = (6, 2, 2)
"""Pictures of each class in training, validation and test."""
_CORNERS = 16


def generate_lesions(recipe: Recipe, folder: Path, size: int = 64) -> Path:
    """Fill a data folder with noise in which a bright ellipse stands, the brighter the further its class.

    Args:
        recipe: Its data must have the layout ``coco``, as a variant ``smoke`` sets it.
        folder: Made if it does not exist.
        size: Height and width in pixels.

    Returns:
        The folder.

    Raises:
        RecipeError: If the recipe has another layout or task.
    """
    data = recipe.data
    if recipe.task != "detection" or data.layout != "coco":
        raise RecipeError(f"recipe {recipe.name}: generated lesions need task detection and data.layout coco")
    random = np.random.default_rng(recipe.seed)
    for split, count in zip((data.train, data.valid, data.test), _COUNTS, strict=True):
        images = []
        for number in range(count * len(data.classes)):
            kind = number % len(data.classes)
            name = f"{split}/{number}.png"
            box, outline = _ellipse(random, size)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            brightness = round(220 - 100 * kind / len(data.classes))
            Image.fromarray(_picture(random, outline, brightness, size)).save(folder / name)
            region = Region(data.classes[kind], box, outline)
            images.append(AnnotatedImage(name, (size, size), (region,)))
        write_coco(AnnotationSet(data.classes, tuple(images)), folder / f"annotations_{split}.json")
    return folder


def _ellipse(random: np.random.Generator, size: int) -> tuple[Box, Outline]:
    """An ellipse of a third of the picture's side or less, somewhere in it."""
    radii = random.uniform(size / 8, size / 5, 2)
    centre = random.uniform(radii, size - radii)
    angles = [2 * math.pi * corner / _CORNERS for corner in range(_CORNERS)]
    points = tuple(
        (float(centre[0] + radii[0] * math.cos(angle)), float(centre[1] + radii[1] * math.sin(angle)))
        for angle in angles
    )
    left, top, right, bottom = (float(value) for value in (*(centre - radii), *(centre + radii)))
    return (left, top, right, bottom), Outline((points,))


def _picture(random: np.random.Generator, outline: Outline, brightness: int, size: int) -> npt.NDArray[np.uint8]:
    pixels = random.uniform(20, 60, (size, size))
    pixels[shape_mask(outline, size, size)] = brightness
    return pixels.astype(np.uint8)
