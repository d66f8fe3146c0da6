"""Which file a row of the tables means, whatever the folders are called and whichever way round they lie.

The tables were written for the first delivery: ``CASE/STUDY_UID/SERIES_UID/000000.dcm``. The archive now delivers
``CBIS-DDSM/CASE/07-20-2016-DDSM-NA-94942/1.000000-ROI mask images-18515/1-1.dcm``. Only the case's name is in both.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicomnode.learning.data.cbis.facts import NOTHING, FileFacts

Cases = Mapping[str, tuple[Path, ...]]
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Regions:
    """The two files that go with an abnormality.

    Attributes:
        mask: None if none was found.
        crop: None if none was found.
        swapped: The tables or folders call the mask the crop.
    """

    mask: Path | None
    crop: Path | None
    swapped: bool = False


def find_cases(folder: Path, names: Collection[str]) -> Cases:
    """The DICOM files of each case, sorted, wherever its folder lies below ``folder``."""
    found: dict[str, list[Path]] = {}
    for place, folders, _ in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        for name in [name for name in folders if name in names]:
            found.setdefault(name, []).extend(Path(place, name).rglob("*.dcm"))
        folders[:] = [name for name in folders if name not in names and depth < _DEEPEST]
    return {name: tuple(sorted(paths)) for name, paths in found.items()}


def as_listed(path: str, files: Sequence[Path]) -> Path | None:
    """The file that lies just where a table says, below whatever folder the cases are in."""
    parts = Path(path).parts
    return next((file for file in files if parts and file.parts[-len(parts) :] == parts), None)


def is_of_series(path: str, facts: FileFacts) -> bool:
    """Whether a file is of the series that a table's path names."""
    parts = Path(path).parts
    return len(parts) > 2 and bool(facts.series_instance_uid) and parts[-2] == facts.series_instance_uid


def pick_image(path: str, files: Sequence[Path], facts: Mapping[Path, FileFacts]) -> Path | None:
    """The mammogram among the files of its case: as listed, else of the listed series, else the largest."""
    listed = as_listed(path, files)
    if listed is not None or not files:
        return listed

    def rank(file: Path) -> tuple[bool, int]:
        found = facts.get(file, NOTHING)
        return is_of_series(path, found), found.rows * found.columns

    return max(files, key=rank)


def pick_regions(
    mask: str, crop: str, files: Sequence[Path], facts: Mapping[Path, FileFacts], image: FileFacts
) -> Regions:
    """Mask and crop among the files of an abnormality, told apart by their values, and by size where those do not say.

    A mask has two values and about the size of the mammogram; a crop has many values and is smaller.

    Args:
        mask: What the table calls the mask.
        crop: What it calls the crop.
        files: The case's files, sorted.
        facts: Of each of them.
        image: Of the mammogram.
    """
    readable = [file for file in files if facts[file] != NOTHING]
    masks = [file for file in readable if facts[file].two_valued]
    if not masks:  # a mask that was smoothed when it was saved
        masks = [file for file in readable if _strangeness(facts[file], image) < math.log(1.1)]
    if not masks:
        return Regions(None, next(iter(readable), None))
    found = min(masks, key=lambda file: (_strangeness(facts[file], image), -facts[file].rows * facts[file].columns))
    others = [file for file in readable if file != found]
    called_mask, called_crop = _called(mask, crop, files), _called(crop, mask, files)
    other = max(others, key=lambda file: file in (called_mask, called_crop), default=None)
    swapped = found == called_crop or (called_mask is not None and called_mask == other)
    return Regions(found, other, swapped or _is_filed_as_crop(found, other))


def _is_filed_as_crop(mask: Path, crop: Path | None) -> bool:
    return crop is not None and mask.parent != crop.parent and "cropped" in mask.parent.name.lower()


def _strangeness(facts: FileFacts, image: FileFacts) -> float:
    """How much the size differs from the mammogram's; 0 if it is the same."""
    if not (image.rows and image.columns and facts.rows and facts.columns):
        return math.inf
    return abs(math.log(facts.rows / image.rows)) + abs(math.log(facts.columns / image.columns))


def _called(path: str, other: str, files: Sequence[Path]) -> Path | None:
    """The file that the table means by a path, or the folders by their names; None if neither says.

    In folders by date the two files of one series keep their order: 000000.dcm became 1-1.dcm.
    """
    listed = as_listed(path, files)
    if listed is not None:
        return listed
    one, two = Path(path), Path(other)
    folders = {file.parent for file in files}
    if path and one.parent == two.parent and len(folders) == 1 and len(files) == 2:
        return files[int(one.name > two.name)]
    return None
