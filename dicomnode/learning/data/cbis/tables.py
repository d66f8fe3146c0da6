"""The four case description tables: a row for each abnormality on each view."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dicomnode.errors import RecipeError
from dicomnode.learning.data.repairs import Repair
from dicomnode.learning.data.samples import Box

MILDEST_FIRST = ("benign_without_callback", "benign", "malignant")
REVIEWED = "_reviewed"
"""What `dicomnode review` adds to the stem of a table that it writes; such a table goes before the original."""

IMAGE_COLUMN, CROP_COLUMN, MASK_COLUMN = "image file path", "cropped image file path", "ROI mask file path"
_NEEDED = {"patient_id", "pathology", IMAGE_COLUMN}
_TRAITS = {  # a column, under each of its names, and what it is called in subgroups
    "abnormality type": "abnormality",
    "left or right breast": "side",
    "image view": "view",
    "breast density": "density",
    "breast_density": "density",
    "assessment": "assessment",
    "subtlety": "subtlety",
}


@dataclass(frozen=True, slots=True)
class Abnormality:
    """A row.

    Attributes:
        table: Name of its table.
        split: The table's set.
        patient: Such as ``P_00001``.
        grade: Pathology in lower case.
        image: Path of the whole mammogram in the table's words, without line breaks.
        crop: Likewise of the piece with the abnormality; empty if the table lacks the column.
        mask: Likewise of the mask.
        traits: Further columns, by the names that they have in subgroups.
        reviewed: A person changed the row: its paths are as they should be.
        box: xyxy that a person drew in pixels of the mammogram, or None.
    """

    table: str
    split: Literal["train", "test"]
    patient: str
    grade: str
    image: str
    crop: str
    mask: str
    traits: tuple[tuple[str, str], ...] = ()
    reviewed: bool = False
    box: Box | None = None

    @property
    def image_case(self) -> str:
        """Name of the mammogram's folder, such as ``Mass-Training_P_00001_LEFT_CC``."""
        return self.image.partition("/")[0]

    @property
    def region_case(self) -> str:
        """Name of the folder of mask and crop, which is the mammogram's with the number of the abnormality."""
        return (self.mask or self.crop).partition("/")[0]


def read_tables(folder: Path) -> tuple[tuple[Abnormality, ...], tuple[Repair, ...]]:
    """The rows of the four tables in a folder, and what was put right in them.

    Raises:
        RecipeError: A table or a column is missing, or a value is none of those that CBIS-DDSM has.
    """
    found: list[Abnormality] = []
    repairs: list[Repair] = []
    for kind in ("mass", "calc"):
        for split in ("train", "test"):
            table = _chosen(folder / f"{kind}_case_description_{split}_set.csv")
            rows = list(rows_of(table))
            found += [abnormality_of(row, table, "train" if split == "train" else "test") for row in rows]
            repairs += _repairs_of(table, rows)
    return tuple(found), tuple(repairs)


def _chosen(table: Path) -> Path:
    reviewed = table.with_stem(table.stem + REVIEWED)
    return reviewed if reviewed.is_file() else table


def _repairs_of(table: Path, rows: list[dict[str, str]]) -> Iterator[Repair]:
    broken = sum(
        row.get(column, "") != row.get(column, "").strip()
        for row in rows
        for column in (IMAGE_COLUMN, CROP_COLUMN, MASK_COLUMN)
    )
    if broken:
        yield Repair("line breaks", table.name, f"{broken} paths end with a line break, which was taken off")
    if table.stem.endswith(REVIEWED):
        changed = sum(bool(row.get("reviewed")) for row in rows)
        yield Repair(
            "reviewed", table.name, f"is read in place of the original; a person changed {changed} of its rows"
        )


def rows_of(table: Path) -> Iterator[dict[str, str]]:
    """The rows of one table as they stand there.

    Raises:
        RecipeError: The table or a column is missing, or a row is cut short.
    """
    if not table.is_file():
        raise RecipeError(f"data folder {table.parent}: {table.name} is missing; cbis_ddsm needs four tables")
    with table.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        if absent := _NEEDED - set(reader.fieldnames or ()):
            raise RecipeError(f"{table}: column {', '.join(sorted(absent))} is missing")
        for row in reader:
            if None in row.values():
                raise RecipeError(f"{table}: line {reader.line_num} has fewer values than the first line has columns")
            yield {key: value for key, value in row.items() if key is not None}


def abnormality_of(row: Mapping[str, str], table: Path, split: Literal["train", "test"]) -> Abnormality:
    """A row in the tables' own columns.

    Raises:
        RecipeError: A value is none of those that CBIS-DDSM has.
    """
    grade = row["pathology"].strip().lower()
    if grade not in MILDEST_FIRST:
        raise RecipeError(f"{table}: pathology {row['pathology']!r} is none of {', '.join(MILDEST_FIRST)}")
    image, crop, mask = (row.get(column, "").strip() for column in (IMAGE_COLUMN, CROP_COLUMN, MASK_COLUMN))
    return Abnormality(
        table=table.name,
        split=split,
        patient=row["patient_id"],
        grade=grade,
        image=image,
        crop=crop,
        mask=mask,
        traits=tuple((name, row[column].strip()) for column, name in _TRAITS.items() if column in row),
        reviewed=bool(row.get("reviewed")),
        box=box_of(row.get("box") or "", table),
    )


def box_of(text: str, table: Path) -> Box | None:
    """The box that a reviewer drew; None if the text is empty.

    Raises:
        RecipeError: It is not four numbers.
    """
    if not text.strip():
        return None
    try:
        left, top, right, bottom = (float(word) for word in text.split())
    except ValueError as error:
        raise RecipeError(f"{table}: box {text!r} is not four numbers with blanks between them") from error
    return left, top, right, bottom
