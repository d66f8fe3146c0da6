"""Data folders whose sub-folders say what a picture shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dicomnode.errors import RecipeError
from dicomnode.inference.files import PICTURE_SUFFIXES
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.recipes.recipe import DataSection


def class_folders(section: DataSection, folder: Path) -> Iterator[Sample]:
    """split/class/picture; only the training split must hold every class."""
    for split in dict.fromkeys((section.train, section.valid, section.test)):
        yield from _of_split(section, folder, split, folder / split, demanded=split == section.train)


def unsplit_class_folders(section: DataSection, folder: Path) -> Iterator[Sample]:
    """class/picture; all of it is the training split, and every folder that the recipe names must be there."""
    yield from _of_split(section, folder, section.train, folder, demanded=True)
    if missing := [name for name in section.folders if not (folder / name).is_dir()]:
        what = f"folder {missing[0]} is" if len(missing) == 1 else f"folders {', '.join(missing)} are"
        raise RecipeError(f"data folder {folder}: {what} missing; data.folders names each folder that it must have")


def patient_class_folders(section: DataSection, folder: Path) -> Iterator[Sample]:
    """patient/class/picture; all of it is the training split."""
    patients = sorted(place for place in folder.iterdir() if place.is_dir())
    found = False
    for place in patients:
        for sample in _of_split(section, folder, section.train, place, patient=place.name):
            found = True
            yield sample
    if not found:
        names = " or ".join(_classes_of_folders(section))
        raise RecipeError(f"data folder {folder}: holds no folder of a patient with a folder {names} of pictures in it")


def _of_split(
    section: DataSection, folder: Path, split: str, place: Path, *, patient: str = "", demanded: bool = False
) -> Iterator[Sample]:
    found: set[str] = set()
    for name, label in _classes_of_folders(section).items():
        if not (place / name).is_dir():
            continue
        found.add(label)
        for path in sorted((place / name).glob("*")):
            if path.suffix.lower() in PICTURE_SUFFIXES:
                index = section.classes.index(label)
                yield Sample(path.relative_to(folder).as_posix(), path, split, index, patient)
    if demanded and (missing := [label for label in section.classes if label not in found]):
        names = [name for name, label in _classes_of_folders(section).items() if label == missing[0]]
        wanted = (place.relative_to(folder) / " or ".join(names)).as_posix()
        raise RecipeError(f"data folder {folder}: folder {wanted} is missing, which holds {missing[0]}")


def _classes_of_folders(section: DataSection) -> dict[str, str]:
    """Class by name of folder."""
    return {name: name for name in section.classes} | section.folders
