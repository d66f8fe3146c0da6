"""Data sets whose pictures and labels stand in ``labels.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from dicomnode.errors import RecipeError
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.recipes.recipe import DataSection

TABLE = "labels.csv"


def labels_csv(section: DataSection, folder: Path) -> Iterator[Sample]:
    """Pictures by their paths, with label, split and further columns."""
    for row in read_rows(section, folder, "path"):
        yield sample_of(section, row, row["path"], folder / row["path"], row.get(section.patient_column, ""))


def read_rows(section: DataSection, folder: Path, key: str) -> Iterator[dict[str, str]]:
    """The rows whose labels are not ignored.

    Args:
        section: Its clean column must be there, and the split unless it is drawn at random.
        folder: Holds the table.
        key: The column that says which picture it is.

    Raises:
        RecipeError: If the table or a column is missing, or a row is cut short.
    """
    table = folder / TABLE
    if not table.is_file():
        raise RecipeError(f"data folder {folder}: {TABLE} is missing; layout {section.layout} needs it")
    rows = csv.DictReader(io.StringIO(table_text(table)))
    if absent := _wanted(section, key) - set(rows.fieldnames or ()):
        raise RecipeError(f"{table}: column {', '.join(sorted(absent))} is missing")
    for row in rows:
        if None in row.values():
            raise RecipeError(f"{table}: line {rows.line_num} has fewer values than the first line has columns")
        if row["label"] not in section.ignored:
            yield row


def class_index(section: DataSection, label: str, where: str) -> int:
    """Index of a label's class.

    Raises:
        RecipeError: If the recipe has no such class.
    """
    label = section.folders.get(label, label)
    if label not in section.classes:
        raise RecipeError(f"{where}: class {label!r} is not among the recipe's classes {', '.join(section.classes)}")
    return section.classes.index(label)


def sample_of(
    section: DataSection,
    row: Mapping[str, str],
    name: str,
    path: Path,
    patient: str,
    frame: int | None = None,
) -> Sample:
    """A row as a sample."""
    # None holds what a row has beyond the first line's columns.
    known = {None, "path", "uid", "label", "split", section.patient_column}
    return Sample(
        name=name,
        path=path,
        split=row.get("split", section.train),
        label=class_index(section, row["label"], TABLE),
        patient=patient,
        clean=section.clean_column is None or row[section.clean_column] in ("", "0"),
        columns=tuple((column, value) for column, value in row.items() if column not in known),
        frame=frame,
    )


def _wanted(section: DataSection, key: str) -> set[str]:
    wanted = {key, "label"}
    if section.random_split is None:
        wanted.add("split")
    return wanted | ({section.clean_column} if section.clean_column else set())


def table_text(table: Path) -> str:
    """Text of a CSV file.

    Raises:
        RecipeError: If it is not UTF-8.
    """
    try:
        return table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{table}: is not UTF-8 text; save it anew as CSV in UTF-8") from error
