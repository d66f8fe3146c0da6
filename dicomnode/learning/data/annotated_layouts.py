"""Data sets whose pictures come with boxes: COCO's and KITTI's layouts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dicomnode.errors import InputError, RecipeError
from dicomnode.learning.data.annotations import AnnotationSet, read_coco, read_kitti
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.tables import class_index
from dicomnode.learning.recipes.recipe import DataSection


def coco(section: DataSection, folder: Path) -> Iterator[Sample]:
    """``annotations_<split>.json`` for each split; only that of the test may be missing."""
    for split in (section.train, section.valid, section.test):
        table = folder / f"annotations_{split}.json"
        if table.is_file():
            try:
                found = read_coco(table)
            except InputError as error:
                raise RecipeError(str(error)) from error
            yield from _samples(section, found, folder, "", split, table.name)
        elif split != section.test:
            raise RecipeError(f"data folder {folder}: {table.name} is missing; layout coco needs it")


def kitti(section: DataSection, folder: Path) -> Iterator[Sample]:
    """``<split>/images`` and ``<split>/labels`` for each split; only those of the test may be missing."""
    for split in (section.train, section.valid, section.test):
        if (folder / split).is_dir():
            try:
                found = read_kitti(folder / split)
            except InputError as error:
                raise RecipeError(str(error)) from error
            yield from _samples(section, found, folder, f"{split}/", split, f"{split}/labels")
        elif split != section.test:
            raise RecipeError(f"data folder {folder}: folder {split} is missing; layout kitti needs it")


def _samples(
    section: DataSection, found: AnnotationSet, folder: Path, place: str, split: str, where: str
) -> Iterator[Sample]:
    labels = {name: class_index(section, name, where) for name in found.classes}
    for image in found.images:
        classes = tuple(labels[region.label] for region in image.regions)
        yield Sample(
            name=f"{place}{image.path}",
            path=folder / f"{place}{image.path}",
            split=split,
            label=classes[0] if classes else -1,
            patient=image.patient,
            boxes=tuple(region.box for region in image.regions),
            box_labels=classes,
            shapes=tuple(region.shape for region in image.regions),
        )
