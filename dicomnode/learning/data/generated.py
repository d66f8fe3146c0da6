"""Generated pictures, on which any recipe can be tried without data."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.errors import RecipeError
from dicomnode.learning.data.generated_exams import generate_exams
from dicomnode.learning.data.generated_lesions import generate_lesions
from dicomnode.learning.recipes.recipe import Recipe

_COUNTS = (12, 4, 4)
"""Pictures of each class in training, validation and test."""


def generate_data(recipe: Recipe, folder: Path) -> Path:
    """Fill a data folder with what the recipe's task needs, and return the folder.

    Raises:
        RecipeError: If nothing can be generated for the recipe as it is.
    """
    if recipe.task == "exam":
        return generate_exams(recipe, folder)
    return generate_lesions(recipe, folder) if recipe.task == "detection" else generate_pictures(recipe, folder)


def generate_pictures(recipe: Recipe, folder: Path, size: int = 64) -> Path:
    """Fill a data folder with noise in which a bright bar stands elsewhere for every class.

    Args:
        recipe: Its data must have the layout ``labels_csv``, as a variant ``smoke`` sets it.
        folder: Made if it does not exist.
        size: Height and width in pixels.

    Returns:
        The folder.

    Raises:
        RecipeError: If the recipe has another layout or task.
    """
    data = recipe.data
    if recipe.task != "classification" or data.layout != "labels_csv":
        raise RecipeError(f"recipe {recipe.name}: generated images need task classification and data.layout labels_csv")
    random = np.random.default_rng(recipe.seed)
    rows = []
    for split, count in zip((data.train, data.valid, data.test), _COUNTS, strict=True):
        for index, label in enumerate(data.classes):
            for number in range(count):
                name = f"{split}/{label}/{number}.png"
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(_picture(random, index, len(data.classes), size)).save(folder / name)
                rows.append((name, label, split))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([("path", "label", "split"), *rows])
    return folder


def _picture(random: np.random.Generator, index: int, classes: int, size: int) -> npt.NDArray[np.uint8]:
    pixels = random.uniform(20, 60, (size, size, 3))
    start, width = round(size * index / classes), max(1, size // (2 * classes))
    pixels[:, start : start + width] = 220
    return pixels.astype(np.uint8)
