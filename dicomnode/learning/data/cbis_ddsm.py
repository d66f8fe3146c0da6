"""The Curated Breast Imaging Subset of DDSM as The Cancer Imaging Archive publishes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dicomnode.learning.data.cbis.located import Located, dated_folders, locate, merged
from dicomnode.learning.data.cbis.tables import MILDEST_FIRST, read_tables
from dicomnode.learning.data.repairs import Repair
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.shapes import MaskFile
from dicomnode.learning.data.tables import class_index
from dicomnode.learning.recipes.recipe import DataSection


def cbis_ddsm(section: DataSection, folder: Path) -> Iterator[Sample]:
    """Whole mammograms, each with the gravest pathology that the tables give for it or, with boxes, with all of them.

    Mammograms without any box are left out then: something is there that nobody drew. The tables' own training and
    test sets stay, but where the recipe draws a test set at random, all are the training split.
    """
    rows, _ = read_tables(folder)
    pooled = section.random_split is not None and section.random_split[2] > 0
    by_image: dict[tuple[str, str], list[Located]] = {}
    for one in locate(rows, folder, with_regions=section.with_boxes):
        if one.row.grade not in section.ignored:
            by_image.setdefault((one.row.image_case, one.row.patient), []).append(one)
    for found in by_image.values():
        split = section.test if found[0].row.split == "test" and not pooled else section.train
        if not section.with_boxes:
            yield _sample(section, folder, split, found)
        elif boxed := [one for one in found if one.box is not None]:
            yield _sample(section, folder, split, boxed)


def cbis_repairs(section: DataSection, folder: Path) -> tuple[Repair, ...]:
    """Everything that is put right when the folder is read as the recipe says."""
    rows, repairs = read_tables(folder)
    located = locate(rows, folder, with_regions=section.with_boxes)
    single = dict.fromkeys(repair for one in located for repair in one.repairs)
    return (*repairs, *dated_folders(located), *single, *merged(located, as_boxes=section.with_boxes))


def _sample(section: DataSection, folder: Path, split: str, found: Sequence[Located]) -> Sample:
    first = found[0]
    labels = tuple(class_index(section, one.row.grade, one.row.table) for one in found)
    gravest = max((one.row.grade for one in found), key=MILDEST_FIRST.index)
    boxes = tuple(one.box for one in found if one.box is not None)
    return Sample(
        name=first.row.image_case,
        path=first.image or folder / first.row.image_case,
        split=split,
        label=labels[0] if section.with_boxes else class_index(section, gravest, first.row.table),
        patient=first.row.patient,
        boxes=boxes,
        box_labels=labels if section.with_boxes else (),
        shapes=tuple(map(_shape, found)) if section.with_boxes else (),
        columns=first.row.traits,
    )


def _shape(one: Located) -> MaskFile | None:
    """The mask, unless a reviewer drew a box because it is wrong."""
    return None if one.mask is None or one.row.box is not None else MaskFile(one.mask)
