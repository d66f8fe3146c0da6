"""From the rows of the tables to the files in the folders, and what had to be put right on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dicomnode.learning.data.cbis.facts import NOTHING, FileFacts, header_facts, mask_facts
from dicomnode.learning.data.cbis.files import (
    Cases,
    Regions,
    as_listed,
    find_cases,
    is_of_series,
    pick_image,
    pick_regions,
)
from dicomnode.learning.data.cbis.tables import Abnormality
from dicomnode.learning.data.repairs import Repair
from dicomnode.learning.data.samples import Box
from dicomnode.learning.data.shapes import nearest


@dataclass(frozen=True, slots=True)
class Located:
    """An abnormality with its files.

    Attributes:
        row: The abnormality.
        image: The mammogram; None if it is not in the folder.
        mask: Its mask; None if there is none, or it was not looked for.
        crop: The piece with it, likewise.
        box: xyxy in pixels of the mammogram, drawn by a reviewer or taken from the mask; None if there is neither.
        repairs: What was put right for this row.
    """

    row: Abnormality
    image: Path | None
    mask: Path | None = None
    crop: Path | None = None
    box: Box | None = None
    repairs: tuple[Repair, ...] = ()


def locate(rows: Iterable[Abnormality], folder: Path, *, with_regions: bool) -> tuple[Located, ...]:
    """Find the files of every row.

    Args:
        rows: Abnormalities.
        folder: Holds the cases, at any depth to four.
        with_regions: Look for masks and crops too, and take boxes from the masks.
    """
    rows = tuple(rows)
    shelf = fill_shelf(rows, folder, with_regions=with_regions)
    return tuple(shelf.locate(row) for row in rows)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The files of a folder, and what is known of them.

    Attributes:
        cases: Files of each case.
        heads: Of the mammograms.
        facts: Of masks and crops; None if they are not wanted.
    """

    cases: Cases
    heads: Mapping[Path, FileFacts]
    facts: Mapping[Path, FileFacts] | None

    def locate(self, row: Abnormality) -> Located:
        """The files of a row."""
        if self.facts is None:
            return _image_only(row, self.cases, self.heads)
        return _with_regions(row, self.cases, self.heads, self.facts)


def fill_shelf(rows: Sequence[Abnormality], folder: Path, *, with_regions: bool) -> Shelf:
    """Look once for everything that the rows may need; see `locate`."""
    wanted = {name for row in rows for name in (row.image_case, row.region_case if with_regions else "") if name}
    cases = find_cases(folder, wanted)
    images = dict.fromkeys(file for row in rows for file in cases.get(row.image_case, ()))
    heads = {file: header_facts(file) for file in images}
    if not with_regions:
        return Shelf(cases, heads, None)
    return Shelf(cases, heads, mask_facts(folder, [file for row in rows for file in cases.get(row.region_case, ())]))


def _image_only(row: Abnormality, cases: Cases, heads: Mapping[Path, FileFacts]) -> Located:
    image = pick_image(row.image, cases.get(row.image_case, ()), heads)
    return Located(row, image, repairs=tuple(_path_repairs(row.image_case, row.image, image, heads)))


def _with_regions(
    row: Abnormality, cases: Cases, heads: Mapping[Path, FileFacts], facts: Mapping[Path, FileFacts]
) -> Located:
    found = _image_only(row, cases, heads)
    files, head = cases.get(row.region_case, ()), heads.get(found.image, NOTHING) if found.image else NOTHING
    if row.reviewed and as_listed(row.mask, files) is not None:
        regions = Regions(as_listed(row.mask, files), as_listed(row.crop, files))
    else:
        regions = pick_regions(row.mask, row.crop, files, facts, head)
    mask = NOTHING if regions.mask is None else facts[regions.mask]
    repairs = [*found.repairs, *_region_repairs(row, regions, facts, head)]
    box = row.box or (None if mask.box is None else scaled_box(mask.box, mask, head))
    return Located(row, found.image, regions.mask, regions.crop, box, tuple(repairs))


def scaled_box(box: Box, mask: FileFacts, image: FileFacts) -> Box:
    """A box on a mask as a box on the mammogram: around the pixels whose nearest on the mask lie in it."""
    sides = []
    for low, high, length, source in (
        (box[0], box[2], image.columns or mask.columns, mask.columns),
        (box[1], box[3], image.rows or mask.rows, mask.rows),
    ):
        index = nearest(length, source)
        inside = np.flatnonzero((index >= low) & (index < high))
        sides.append((float(inside[0]), float(inside[-1] + 1)) if len(inside) else (0.0, 1.0))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def _region_repairs(
    row: Abnormality, regions: Regions, facts: Mapping[Path, FileFacts], image: FileFacts
) -> Iterator[Repair]:
    name = row.region_case or row.image_case
    if regions.mask is None:
        what = "its box is the reviewer's" if row.box else "the abnormality has no box and is left out"
        yield Repair("no mask", name, f"no file of its folder is a mask; {what}")
        return
    mask = facts[regions.mask]
    yield from _path_repairs(name, row.mask, regions.mask, facts, is_swapped=regions.swapped)
    if regions.swapped:
        yield Repair("swapped", name, f"crop and mask are exchanged; {_place(regions.mask)} is the mask")
    if mask.box is None and row.box is None:
        yield Repair("empty mask", name, f"{_place(regions.mask)} marks nothing; the abnormality is left out")
    if image.rows and (mask.rows, mask.columns) != (image.rows, image.columns):
        sizes = f"{mask.rows} x {mask.columns}, the mammogram {image.rows} x {image.columns}"
        yield Repair("mask size", name, f"the mask has {sizes}; it is resized by nearest pixels")


def _path_repairs(
    name: str, path: str, file: Path | None, facts: Mapping[Path, FileFacts], *, is_swapped: bool = False
) -> Iterator[Repair]:
    """A file that lies elsewhere is told only if its UID differs too: folders by date are how the archive delivers."""
    if file is None or is_swapped or as_listed(path, [file]) is not None:
        return
    if not is_of_series(path, facts.get(file, NOTHING)):
        yield Repair("path", name, f"the table names {path}, which is not there; {_place(file)} is taken")


def _place(file: Path) -> str:
    return "/".join(file.parts[-2:])


def dated_folders(located: Iterable[Located]) -> Iterator[Repair]:
    """For each table, how many of its mammograms lie in other folders than it names."""
    moved = Counter(one.row.table for one in located if _is_moved(one))
    for table, count in moved.items():
        yield Repair("folders", table, f"{count} rows name folders that the delivery calls otherwise; found by case")


def _is_moved(one: Located) -> bool:
    if one.image is None or as_listed(one.row.image, [one.image]) is not None:
        return False
    return not any((repair.kind, repair.name) == ("path", one.row.image_case) for repair in one.repairs)


def merged(located: Iterable[Located], *, as_boxes: bool) -> Iterator[Repair]:
    """Mammograms that several rows describe."""
    rows: dict[str, list[Abnormality]] = {}
    for one in located:
        rows.setdefault(one.row.image_case, []).append(one.row)
    for name, several in rows.items():
        if len(several) > 1:
            counts = ", ".join(f"{count} {grade}" for grade, count in Counter(row.grade for row in several).items())
            result = "are boxes of one mammogram" if as_boxes else "are one mammogram, labelled by the gravest"
            yield Repair("merged", name, f"{len(several)} abnormalities ({counts}) {result}")
