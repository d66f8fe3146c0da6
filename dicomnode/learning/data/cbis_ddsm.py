"""The Curated Breast Imaging Subset of DDSM as The Cancer Imaging Archive publishes it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from dicomnode.errors import RecipeError
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.recipes.recipe import DataSection

_TABLES = tuple(f"{kind}_case_description_{split}_set.csv" for kind in ("mass", "calc") for split in ("train", "test"))
_MILDEST_FIRST = ("benign_without_callback", "benign", "malignant")


def cbis_ddsm(section: DataSection, folder: Path) -> Iterator[Sample]:
    """Whole mammograms, each with the gravest pathology that the tables give for it; all are the training split.

    The tables name an image by UIDs, which the download turns into folders named by dates; only the first folder's
    name (``Mass-Training_P_00001_LEFT_CC``) is in both.
    """
    gravest: dict[tuple[str, str], str] = {}
    for name in _TABLES:
        for row in _rows(folder / name):
            key = (row["image file path"].strip().partition("/")[0], row["patient_id"])
            grades = [_grade(row["pathology"], name), gravest.get(key, _MILDEST_FIRST[0])]
            gravest[key] = max(grades, key=_MILDEST_FIRST.index)
    for (name, patient), pathology in gravest.items():
        path = next(iter(sorted((folder / name).rglob("*.dcm"))), folder / name)
        if pathology not in section.classes:
            raise RecipeError(f"data.classes: lacks {pathology}, which CBIS-DDSM has")
        yield Sample(name, path, section.train, section.classes.index(pathology), patient)


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        raise RecipeError(f"data folder {table.parent}: {table.name} is missing; cbis_ddsm needs four tables")
    with table.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        if absent := {"patient_id", "pathology", "image file path"} - set(reader.fieldnames or ()):
            raise RecipeError(f"{table}: column {', '.join(sorted(absent))} is missing")
        return list(reader)


def _grade(pathology: str, table: str) -> str:
    grade = pathology.strip().lower()
    if grade not in _MILDEST_FIRST:
        raise RecipeError(f"{table}: pathology {pathology!r} is none of {', '.join(_MILDEST_FIRST)}")
    return grade
