"""Mammography exams: ``labels.csv`` with a row for each image and the truth of its breast."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from dicomnode.errors import RecipeError
from dicomnode.inference.files import PICTURE_SUFFIXES
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.tables import TABLE, table_text
from dicomnode.learning.recipes.recipe import DataSection

BIRADS = "birads"

_NEEDED = ("path", "exam", "laterality", "view")
_CHOICES: Mapping[str, tuple[str, ...]] = {"laterality": ("L", "R"), "view": ("CC", "MLO")}


def exam_csv(section: DataSection, folder: Path) -> Iterator[Sample]:
    """Mammograms by their paths, DICOM or 16-bit pictures, each with the gravest class of its breast; -1 for none.

    Exam, laterality, view and truth stay among the columns, where ``exams.breast_images`` reads them.

    Raises:
        RecipeError: If the table or a column is missing, or a value is none that the column may have.
    """
    table = folder / TABLE
    if not table.is_file():
        raise RecipeError(f"data folder {folder}: {TABLE} is missing; layout exam_csv needs it")
    rows = csv.DictReader(io.StringIO(table_text(table)))
    if absent := _wanted(section) - set(rows.fieldnames or ()):
        raise RecipeError(f"{table}: column {', '.join(sorted(absent))} is missing")
    for row in rows:
        yield _sample(section, folder, row, f"{table}: line {rows.line_num}")


def is_birads(section: DataSection) -> bool:
    """Whether the classes are BI-RADS categories, of which an exam has one, and not findings of a breast."""
    return all(name.startswith(f"{BIRADS}_") for name in section.classes)


def _wanted(section: DataSection) -> set[str]:
    truth = (BIRADS,) if is_birads(section) else section.classes
    split = () if section.random_split is not None else ("split",)
    return {*_NEEDED, *truth, *split}


def _sample(section: DataSection, folder: Path, row: Mapping[str, str], where: str) -> Sample:
    if None in row.values():
        raise RecipeError(f"{where} has fewer values than the first line has columns")
    for column, allowed in _CHOICES.items():
        if row[column] not in allowed:
            raise RecipeError(f"{where}: {column} {row[column]!r} is none of {', '.join(allowed)}")
    known = {None, "path", "split", section.patient_column}
    return Sample(
        name=row["path"],
        path=folder / row["path"],
        split=row.get("split", section.train),
        label=_label(section, row, where),
        frame=None if Path(row["path"]).suffix.lower() in PICTURE_SUFFIXES else 0,
        patient=row.get(section.patient_column, ""),
        columns=tuple((column, value) for column, value in row.items() if column not in known),
    )


def _label(section: DataSection, row: Mapping[str, str], where: str) -> int:
    if is_birads(section):
        name = f"{BIRADS}_{row[BIRADS]}"
        if name not in section.classes:
            raise RecipeError(f"{where}: {BIRADS} {row[BIRADS]!r} is none of {', '.join(section.classes)}")
        return section.classes.index(name)
    for name in section.classes:
        if row[name] not in ("0", "1"):
            raise RecipeError(f"{where}: {name} is {row[name]!r}; write 1 or 0")
    return max((index for index, name in enumerate(section.classes) if row[name] == "1"), default=-1)
