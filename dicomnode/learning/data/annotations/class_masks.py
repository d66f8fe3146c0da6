"""Class masks: for each picture a PNG of its size whose values are classes, 0 being background.

``classes.csv`` (value,name) says which value is which class; each connected part of one value is a region.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.errors import InputError
from dicomnode.learning.data.annotations.annotated import AnnotatedImage, AnnotationSet, Region
from dicomnode.learning.data.annotations.parts import connected_parts
from dicomnode.learning.data.shapes import encode_runs, mask_box, read_grey, shape_mask

CLASSES, MASKS, IMAGES = "classes.csv", "masks", "images"
_MOST = 255


def read_class_masks(folder: Path) -> AnnotationSet:
    """Pictures ``images/<stem>.png`` and their masks ``masks/<stem>.png``.

    Raises:
        InputError: The table of classes is missing or wrong, a mask cannot be read, or holds a value without a class.
    """
    names = _classes(folder / CLASSES)
    images = []
    for file in sorted((folder / MASKS).glob("*.png")):
        values = read_grey(file)
        if strangers := sorted({int(value) for value in np.unique(values)} - {0, *names}):
            raise InputError(f"{file}: value {strangers[0]} is no class of {CLASSES}; add it there")
        size = (values.shape[1], values.shape[0])
        images.append(AnnotatedImage(f"{IMAGES}/{file.stem}.png", size, tuple(_regions(values, names))))
    return AnnotationSet(tuple(names.values()), tuple(images))


def write_class_masks(annotations: AnnotationSet, folder: Path) -> None:
    """Write masks and the table of classes; where regions overlap, the later one covers the earlier.

    A region without a shape is drawn as its box.

    Raises:
        InputError: The size of a picture is not known, or there are more classes than values.
    """
    if len(annotations.classes) > _MOST:
        raise InputError(f"{len(annotations.classes)} classes: a class mask has values for {_MOST}")
    (folder / MASKS).mkdir(parents=True, exist_ok=True)
    with (folder / CLASSES).open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerows([("value", "name"), *enumerate(annotations.classes, 1)])
    for image in annotations.images:
        picture = Image.fromarray(_drawn(image, annotations.classes))
        picture.save(folder / MASKS / f"{Path(image.path).stem}.png")


def _classes(table: Path) -> dict[int, str]:
    if not table.is_file():
        raise InputError(f"{table}: is missing; it says which value of the masks is which class (value,name)")
    with table.open(newline="", encoding="utf-8-sig") as lines:
        try:
            return {int(row["value"]): row["name"] for row in csv.DictReader(lines)}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{table}: needs the columns value (a whole number) and name") from error


def _regions(values: npt.NDArray[Any], names: dict[int, str]) -> Iterator[Region]:
    for value, name in names.items():
        for part in connected_parts(values == value):
            box = mask_box(part)
            if box is not None:
                yield Region(name, box, encode_runs(part))


def _drawn(image: AnnotatedImage, classes: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    if image.size is None:
        raise InputError(f"{image.path}: its size is not known, so that no mask can be drawn; give it")
    width, height = image.size
    values = np.zeros((height, width), np.uint8)
    for region in image.regions:
        value = classes.index(region.label) + 1
        if region.shape is not None:
            values[shape_mask(region.shape, height, width)] = value
        else:
            left, top, right, bottom = (max(0, round(side)) for side in region.box)
            values[top:bottom, left:right] = value
    return values
