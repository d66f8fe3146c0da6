"""A table of pictures under review: rows are changed in a copy beside it, and the original stays as it is."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

from dicomnode.errors import NotFoundError, RecipeError, UsageError
from dicomnode.learning.data.cbis.tables import CROP_COLUMN, IMAGE_COLUMN, MASK_COLUMN, REVIEWED, rows_of
from dicomnode.learning.data.review_rows import (
    BOX_COLUMN,
    CHANGES_COLUMN,
    CbisReading,
    ListReading,
    Reading,
    ReviewRow,
)
from dicomnode.learning.data.samples import Box

_SWAPPED, _RELABELLED, _BOXED = "swapped", "relabelled", "box"


class TableReview:
    """The table, row by row; every change is on disk before it is answered.

    Args:
        table: The original; its reviewed copy, if there is one, is gone on with.
        rows: Rows of the original.
        reading: What they mean.

    Raises:
        RecipeError: There is a reviewed copy of another table.
    """

    def __init__(self, table: Path, rows: Sequence[dict[str, str]], reading: Reading) -> None:
        self._table = table
        self._original = tuple(rows)
        self._rows = [dict(row) for row in self._original]
        self._reading = reading
        self._lock = Lock()
        if self.reviewed_table.is_file():
            self._go_on()

    @property
    def name(self) -> str:
        """Name of the original table."""
        return self._table.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that a row can be given."""
        return self._reading.labels

    @property
    def reviewed_table(self) -> Path:
        """The copy that changes go to."""
        return self._table.with_stem(self._table.stem + REVIEWED)

    def rows(self) -> tuple[ReviewRow, ...]:
        """Every row."""
        return tuple(self._reading.row(number, values) for number, values in enumerate(self._rows))

    def row(self, number: int) -> ReviewRow:
        """One row.

        Raises:
            NotFoundError: The table has no such row.
        """
        if not 0 <= number < len(self._rows):
            raise NotFoundError(f"{self.name} has no row {number}: it has {len(self._rows)}")
        return self._reading.row(number, self._rows[number])

    def swap(self, number: int) -> ReviewRow:
        """Exchange mask and crop.

        Raises:
            UsageError: The row has neither.
        """
        row = self.row(number)
        if row.mask is None and row.crop is None:
            raise UsageError(f"row {number} has neither mask nor crop; there is nothing to exchange")
        return self._change(replace(row, mask=row.crop, crop=row.mask), _SWAPPED, {})

    def relabel(self, number: int, label: str) -> ReviewRow:
        """Give a row another class.

        Raises:
            UsageError: There is no such class.
        """
        if label not in self.labels:
            raise UsageError(f"class {label!r} is none of {', '.join(self.labels)}")
        return self._change(self.row(number), _RELABELLED, {self._reading.columns[0]: label})

    def draw(self, number: int, box: Box | None) -> ReviewRow:
        """Give a row another box, or with None that of its mask again.

        Raises:
            UsageError: The box has no area.
        """
        if box is not None and not (box[0] < box[2] and box[1] < box[3]):
            raise UsageError(f"box {box} has no area; its corners are left, top, right, bottom")
        text = "" if box is None else " ".join(f"{value:g}" for value in box)
        return self._change(self.row(number), _BOXED, {BOX_COLUMN: text})

    def reset(self, number: int) -> ReviewRow:
        """Give a row back what the original says."""
        self.row(number)
        with self._lock:
            self._rows[number] = dict(self._original[number])
            self._write()
        return self.row(number)

    def _change(self, row: ReviewRow, what: str, values: Mapping[str, str]) -> ReviewRow:
        _, mask, crop = self._reading.columns
        # A reviewed row says where its files are: nobody has to guess again which of them is the mask. Of files that
        # are not here the table's own words stay.
        named = ((mask, row.mask), (crop, row.crop))
        files = {column: self._reading.place(file) for column, file in named if file is not None or what == _SWAPPED}
        with self._lock:
            changes = {*row.changes, what} if what != _SWAPPED else {*row.changes} ^ {what}
            marks = {CHANGES_COLUMN: ", ".join(sorted(changes))}
            self._rows[row.number] = self._rows[row.number] | files | dict(values) | marks
            self._write()
        return self.row(row.number)

    def _go_on(self) -> None:
        with self.reviewed_table.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
        if len(rows) != len(self._original) or any(None in row.values() for row in rows):
            raise RecipeError(f"{self.reviewed_table}: has other rows than {self.name}; move it away to begin anew")
        self._rows = rows

    def _write(self) -> None:
        columns = dict.fromkeys(column for row in (self._original[:1], self._rows) for one in row for column in one)
        part = self.reviewed_table.with_suffix(".part")
        with part.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, list(columns), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)
            lines.flush()
            os.fsync(lines.fileno())
        part.replace(self.reviewed_table)


def open_review(table: Path, data: Path) -> TableReview:
    """Begin the review of a case description table of CBIS-DDSM, or of a table with ``path`` and ``label``, or go on.

    Args:
        table: The original, or its reviewed copy.
        data: Folder of the pictures.

    Raises:
        RecipeError: The table is none of these.
    """
    table = table.with_stem(table.stem.removesuffix(REVIEWED))
    if not data.is_dir():
        raise RecipeError(f"data folder {data}: does not exist; give the folder of the pictures with --data")
    if not table.is_file():
        raise RecipeError(f"{table}: does not exist; give the table to review")
    with table.open(newline="", encoding="utf-8-sig") as lines:
        columns = set(csv.DictReader(lines).fieldnames or ())
    if {IMAGE_COLUMN, MASK_COLUMN, CROP_COLUMN} <= columns:
        rows = list(rows_of(table))
        return TableReview(table, rows, CbisReading.of(table, rows, data))
    if {"path", "label"} <= columns:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
        return TableReview(table, rows, ListReading(table, data, tuple(sorted({row["label"] for row in rows}))))
    raise RecipeError(
        f"{table}: has neither the columns of CBIS-DDSM nor path and label; nothing in it can be reviewed"
    )
