"""What the columns of a table under review mean: its files, its classes, and how it names a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dicomnode.learning.data.cbis.located import Shelf, fill_shelf
from dicomnode.learning.data.cbis.tables import CROP_COLUMN, MASK_COLUMN, MILDEST_FIRST, abnormality_of, box_of
from dicomnode.learning.data.samples import Box

BOX_COLUMN, CHANGES_COLUMN = "box", "reviewed"


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A row as a reviewer sees it.

    Attributes:
        number: Its place in the table, counted from 0.
        title: What it is about.
        label: Its class.
        image: The picture, or None if it is not in the data folder.
        mask: The mask of the region, likewise.
        crop: The piece of the picture with the region, likewise.
        box: xyxy in pixels of the picture, as drawn or from the mask.
        notes: What the reading of the row had to put right.
        changes: What a reviewer changed: ``swapped``, ``relabelled``, ``box``.
    """

    number: int
    title: str
    label: str
    image: Path | None
    mask: Path | None
    crop: Path | None
    box: Box | None
    notes: tuple[str, ...]
    changes: tuple[str, ...]


class Reading(Protocol):
    """What the columns of a kind of table mean."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, as the table writes them."""
        ...

    @property
    def columns(self) -> tuple[str, str, str]:
        """Names of the columns of the label, the mask and the crop."""
        ...

    def row(self, number: int, values: Mapping[str, str]) -> ReviewRow:
        """A row with its files."""
        ...

    def place(self, file: Path | None) -> str:
        """How the table names a file."""
        ...


@dataclass(frozen=True, slots=True)
class CbisReading:
    """A case description table: files are found and told apart as for training."""

    table: Path
    shelf: Shelf

    @classmethod
    def of(cls, table: Path, rows: Sequence[Mapping[str, str]], data: Path) -> CbisReading:
        """Look once for the files of all rows."""
        found = [abnormality_of(row, table, "train") for row in rows]
        return cls(table, fill_shelf(found, data, with_regions=True))

    @property
    def labels(self) -> tuple[str, ...]:
        """As `Reading`."""
        return tuple(label.upper() for label in MILDEST_FIRST)

    @property
    def columns(self) -> tuple[str, str, str]:
        """As `Reading`."""
        return "pathology", MASK_COLUMN, CROP_COLUMN

    def row(self, number: int, values: Mapping[str, str]) -> ReviewRow:
        """As `Reading`."""
        row = abnormality_of(values, self.table, "train")
        found = self.shelf.locate(row)
        return ReviewRow(
            number=number,
            title=row.region_case or row.image_case,
            label=row.grade.upper(),
            image=found.image,
            mask=found.mask,
            crop=found.crop,
            box=found.box,
            notes=tuple(repair.text for repair in found.repairs),
            changes=_changes(values),
        )

    def place(self, file: Path | None) -> str:
        """From the case's folder on, as the tables write it."""
        if file is None:
            return ""
        start = next(index for index, part in enumerate(file.parts) if part in self.shelf.cases)
        return "/".join(file.parts[start:])


@dataclass(frozen=True, slots=True)
class ListReading:
    """A table with ``path`` and ``label``, and ``mask`` and ``crop`` if it has them."""

    table: Path
    data: Path
    labels: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, str, str]:
        """As `Reading`."""
        return "label", "mask", "crop"

    def row(self, number: int, values: Mapping[str, str]) -> ReviewRow:
        """As `Reading`."""
        image, mask, crop = (self._file(values.get(column) or "") for column in ("path", "mask", "crop"))
        box = box_of(values.get(BOX_COLUMN) or "", self.table)
        return ReviewRow(number, values["path"], values["label"], image, mask, crop, box, (), _changes(values))

    def place(self, file: Path | None) -> str:
        """As `Reading`."""
        return "" if file is None else file.relative_to(self.data).as_posix()

    def _file(self, name: str) -> Path | None:
        path = self.data / name
        return path if name and path.resolve().is_relative_to(self.data.resolve()) and path.is_file() else None


def _changes(values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for word in (values.get(CHANGES_COLUMN) or "").split(", ") if word)
