"""What ``dicomnode train`` says of the data before it trains."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomnode.learning.datacheck import DataCheck
    from dicomnode.learning.datacheck.findings import ClassHistogram, Histograms
    from dicomnode.learning.recipes.recipe import DataSection

_BARS = " ▁▂▃▄▅▆▇█"


def check(section: DataSection, data: Path, out: Path | None, *, as_json: bool) -> int:
    """Print the check of a data folder, and write it to ``out`` if that is given.

    Returns:
        1 if training cannot run on the data, else 0.
    """
    from dicomnode.learning.datacheck import write_check

    found = _checked(section, data)
    if out is not None:
        write_check(found, out)
    print(json.dumps(dataclasses.asdict(found), indent=2) if as_json else "\n".join(_readable(found)))
    return int(found.has_errors)


def check_before_training(section: DataSection, data: Path, out: Path, *, again: bool) -> None:
    """Write the check to ``out`` and print its problems.

    Args:
        section: Layout of the folder.
        data: The data set.
        out: Folder of the run.
        again: False to keep the check that is there already.

    Raises:
        RecipeError: If training cannot run on the data.
    """
    from dicomnode.errors import RecipeError
    from dicomnode.learning.datacheck import CHECK_FILE, write_check

    if (out / CHECK_FILE).is_file() and not again:
        return
    found = _checked(section, data)
    path = write_check(found, out)
    for problem in found.problems:
        print(f"data {problem.severity}: {problem.text}", file=sys.stderr)
    if found.has_errors:
        raise RecipeError(f"data folder {data}: training cannot run on it, see {path}; mend what is told above")


def _checked(section: DataSection, data: Path) -> DataCheck:
    from rich.console import Console

    from dicomnode.learning.datacheck import check_data
    from dicomnode.learning.engine.progress import counted

    with counted(Console(stderr=True), "checking pictures") as progress:
        return check_data(section, data, progress)


def _readable(found: DataCheck) -> Iterator[str]:
    yield f"{found.pictures} pictures, layout {found.layout}"
    for split in found.splits:
        counts = [f"{one.name} {one.pictures}" for one in found.classes if one.split == split.split]
        patients = f" of {split.patients} patients" if split.patients else ""
        yield f"  {split.split:8} {split.pictures:6}{patients}: {', '.join(counts)}"
    if found.sizes is not None:
        width, height = found.sizes.width, found.sizes.height
        yield (
            f"sizes: width {width.minimum} to {width.maximum} (median {width.median:g}), height {height.minimum} to"
            f" {height.maximum} (median {height.median:g}), {found.sizes.distinct} different"
        )
    if found.histograms is not None:
        yield from _histogram_lines(found.histograms)
    for repair in found.repairs:
        yield f"repair ({repair.kind}): {repair.name}: {repair.text}"
    for problem in found.problems:
        yield f"{problem.severity}: {problem.text}"
    if not found.problems:
        yield "nothing wrong was found"


def _histogram_lines(histograms: Histograms) -> Iterator[str]:
    bins = len(histograms.classes[0].shares)
    end = histograms.start + bins * histograms.step
    yield f"intensities from {histograms.start:g} to {end:g}, square root of their share"
    highest = max(max(one.shares) for one in histograms.classes)
    for one in histograms.classes:
        yield f"  {_bars(one, highest)} {one.name}: mean {one.mean:.1f}, deviation {one.deviation:.1f}"


def _bars(one: ClassHistogram, highest: float) -> str:
    return "".join(_BARS[round((share / highest) ** 0.5 * (len(_BARS) - 1))] for share in one.shares)
