"""Data sources: which pictures a data folder holds, with their labels and boxes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from dicomnode.errors import RecipeError
from dicomnode.inference.files import PICTURE_SUFFIXES
from dicomnode.learning.data.annotated_layouts import coco, kitti
from dicomnode.learning.data.cbis_ddsm import cbis_ddsm, cbis_repairs
from dicomnode.learning.data.dicom_csv import dicom_csv, find_images
from dicomnode.learning.data.exam_tables import exam_csv
from dicomnode.learning.data.folders import class_folders, patient_class_folders, unsplit_class_folders
from dicomnode.learning.data.repairs import Repair
from dicomnode.learning.data.samples import Sample, divided, turned
from dicomnode.learning.data.tables import labels_csv
from dicomnode.learning.recipes.recipe import DataSection


def load_samples(section: DataSection, folder: Path, needed: tuple[str, ...] = ()) -> tuple[Sample, ...]:
    """Every sample of the data folder, with the validation list, the random split and the rotations applied.

    Args:
        section: Layout of the folder.
        folder: The data set.
        needed: Splits that must hold a picture; training and validation if none is named.

    Raises:
        RecipeError: If the folder, a table, a picture, a class or a split is missing.
    """
    samples = list_samples(section, folder)
    missing = next((sample for sample in samples if not sample.path.is_file()), None)
    if missing is not None:
        by_uid = "no DICOM image below it has this SOP or Series Instance UID" if section.layout == "dicom_csv" else ""
        what = f"{missing.name} is listed but missing; {by_uid or 'fetch the data set anew'}"
        raise RecipeError(f"data folder {folder}: {what}")
    samples = turned(samples, section.rotations)
    for split in needed or (section.train, section.valid):
        if not any(sample.split == split for sample in samples):
            raise RecipeError(f"data folder {folder}: no picture in split {split!r}; name a split that it has")
    return samples


def list_samples(section: DataSection, folder: Path) -> tuple[Sample, ...]:
    """Every sample that the layout names, with the validation list and the random split applied.

    No picture is looked for, so that all that are missing can be told at once.

    Raises:
        RecipeError: If the folder or a table is missing, or a table is wrong.
    """
    if not folder.is_dir():
        raise RecipeError(f"data folder {folder}: does not exist; give the folder of the data set with --data")
    samples = _with_validation(section, tuple(_READERS[section.layout](section, folder)))
    if section.random_split is not None:
        samples = divided(samples, section.train, (section.train, section.valid, section.test), section.random_split)
    return samples


def unlisted_files(section: DataSection, folder: Path, samples: Iterable[Sample]) -> tuple[str, ...]:
    """Pictures in the data folder that are no sample, by their names in it, or DICOM images by SOP Instance UID."""
    used = {sample.path for sample in samples}
    if section.layout == "exam_csv":
        used |= {folder / value for sample in samples for column, value in sample.columns if column.endswith("_mask")}
    if section.layout == "dicom_csv":
        return tuple(sorted(image.sop_instance_uid for image in find_images(folder) if image.path not in used))
    if section.layout == "cbis_ddsm":
        return ()  # its masks and cropped lesions are meant to be passed over
    found = (path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path not in used)
    return tuple(sorted(path.relative_to(folder).as_posix() for path in found))


def list_repairs(section: DataSection, folder: Path) -> tuple[Repair, ...]:
    """What is put right in a data folder when it is read; only known faults of cbis_ddsm are."""
    return cbis_repairs(section, folder) if section.layout == "cbis_ddsm" else ()


def of_split(samples: Iterable[Sample], split: str) -> tuple[Sample, ...]:
    """The samples of one split, in their order."""
    return tuple(sample for sample in samples if sample.split == split)


def _with_validation(section: DataSection, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    if section.valid_list is None:
        return samples
    if not section.valid_list.is_file():
        raise RecipeError(f"validation list {section.valid_list}: is missing; make it with the command in training/")
    with section.valid_list.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        if "path" not in (rows.fieldnames or ()):
            raise RecipeError(f"validation list {section.valid_list}: column path is missing")
        held_out = {row["path"] for row in rows}
    if unknown := held_out - {sample.name for sample in samples}:
        raise RecipeError(f"validation list {section.valid_list.name}: {min(unknown)} is not in the data folder")
    return tuple(replace(s, split=section.valid) if s.name in held_out else s for s in samples)


_READERS: Mapping[str, Callable[[DataSection, Path], Iterable[Sample]]] = MappingProxyType(
    {
        "labels_csv": labels_csv,
        "dicom_csv": dicom_csv,
        "exam_csv": exam_csv,
        "class_folders": class_folders,
        "unsplit_class_folders": unsplit_class_folders,
        "patient_class_folders": patient_class_folders,
        "cbis_ddsm": cbis_ddsm,
        "coco": coco,
        "kitti": kitti,
    }
)
