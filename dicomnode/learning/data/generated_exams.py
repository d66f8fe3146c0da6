"""Generated mammography exams: drawn breasts with bright masses, on which a recipe for exams can be tried."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.errors import RecipeError
from dicomnode.learning.data.tables import TABLE
from dicomnode.learning.recipes.recipe import Recipe

_EXAMS = (8, 4, 4)
"""Exams in training, validation and test."""

_BREASTS = (("", "malignant"), ("benign", ""), ("malignant", ""), ("", ""))
"""What the left and the right breast of every fourth exam have."""

_COLUMNS = (
    *("path", "patient", "exam", "laterality", "view", "benign", "malignant", "birads", "split"),
    *("benign_mask", "malignant_mask"),
)

Mask = npt.NDArray[np.bool_]


def generate_exams(recipe: Recipe, folder: Path, size: tuple[int, int] = (128, 96)) -> Path:
    """Fill a data folder with 16-bit pictures of four views an exam; a malignant mass is small and bright.

    Args:
        recipe: Its data must have the layout ``exam_csv``, as a variant ``smoke`` sets it.
        folder: Made if it does not exist.
        size: Rows and columns of a picture.

    Returns:
        The folder.

    Raises:
        RecipeError: If the recipe has another layout.
    """
    data = recipe.data
    if data.layout != "exam_csv":
        raise RecipeError(f"recipe {recipe.name}: generated exams need data.layout exam_csv")
    random = np.random.default_rng(recipe.seed)
    rows: list[tuple[str, ...]] = []
    for split, count in zip((data.train, data.valid, data.test), _EXAMS, strict=True):
        for number in range(count):
            rows += _exam(random, folder, split, number, size)
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([_COLUMNS, *rows])
    return folder


def _exam(
    random: np.random.Generator, folder: Path, split: str, number: int, size: tuple[int, int]
) -> list[tuple[str, ...]]:
    kinds = dict(zip("LR", _BREASTS[number % len(_BREASTS)], strict=True))
    birads = "0" if "malignant" in kinds.values() else "2" if "benign" in kinds.values() else "1"
    exam, rows = f"{split}-{number}", []
    for view in STANDARD_VIEWS:
        laterality, position = view.split("-")
        kind, path = kinds[laterality], f"{split}/{number}_{view}.png"
        pixels, mask = _mammogram(random, size, kind)
        if laterality == "R":
            pixels, mask = pixels[:, ::-1], mask[:, ::-1]
        masks = {kind: _save(folder, f"masks/{split}_{number}_{view}.png", mask.astype(np.uint8) * 255)} if kind else {}
        _save(folder, path, pixels)
        truths = tuple(str(int(kind == name)) for name in ("benign", "malignant"))
        outlines = tuple(masks.get(name, "") for name in ("benign", "malignant"))
        rows.append((path, exam, exam, laterality, position, *truths, birads, split, *outlines))
    return rows


def _mammogram(random: np.random.Generator, size: tuple[int, int], kind: str) -> tuple[npt.NDArray[np.uint16], Mask]:
    """A left breast, its chest wall at the left edge, and where its mass is."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
    height, width = size
    depth = 1 - ((rows - height / 2) / (0.42 * height)) ** 2 - (columns / (0.8 * width)) ** 2
    texture = ndimage.gaussian_filter(random.standard_normal(size), 2.0)
    brightness = np.where(depth > 0, 0.25 + 0.2 * np.sqrt(np.clip(depth, 0, 1)) + 0.1 * texture, 0.0)
    centre = (height * random.uniform(0.35, 0.65), width * random.uniform(0.2, 0.45))
    radius = width * (0.07 if kind == "malignant" else 0.12)
    mask = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2 if kind else np.zeros(size, np.bool_)
    brightness = brightness + mask * {"": 0.0, "benign": 0.25, "malignant": 0.5}[kind]
    return (brightness.clip(0, 1) * 65535).astype(np.uint16), mask


def _save(folder: Path, name: str, pixels: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name)
    return name
