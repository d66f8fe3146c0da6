"""From a recipe's data section and a data folder to what a check of them tells."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.sources import list_repairs, list_samples, unlisted_files
from dicomnode.learning.datacheck.counting import (
    count_classes,
    count_splits,
    find_sizes,
    find_wrong_boxes,
    histograms_of,
    shared_patients,
    text_of,
)
from dicomnode.learning.datacheck.findings import DataCheck, Histograms, Unreadable
from dicomnode.learning.datacheck.likeness import conflicts, duplicates, find_likeness
from dicomnode.learning.datacheck.problems import find_problems
from dicomnode.learning.datacheck.survey import Facts, look_at
from dicomnode.learning.datacheck.tallies import Tally, added
from dicomnode.learning.engine.progress import Advance
from dicomnode.learning.recipes.recipe import DataSection

CHECK_FILE = "check.json"


@dataclass(frozen=True, slots=True)
class _Survey:
    """The readable pictures with what is known of them, and the others."""

    samples: tuple[Sample, ...]
    facts: tuple[Facts, ...]
    histograms: Histograms | None
    unreadable: tuple[Unreadable, ...]


def check_data(section: DataSection, folder: Path, progress: Advance) -> DataCheck:
    """Look at every picture of a data set once and tell what is there and what is wrong.

    Pictures are taken as the recipe reads them, in the splits that its validation list and random split make, and
    without the turned copies. Several are decoded at a time; only a few are in memory at once.

    Args:
        section: Layout of the folder.
        folder: The data set.
        progress: Told how many of how many pictures were looked at.

    Raises:
        RecipeError: If the folder or a table is missing, or a table is wrong.
    """
    samples = list_samples(section, folder)
    survey = _survey(section, samples, progress)
    likeness = find_likeness(survey.facts)
    names = [sample.name for sample in survey.samples]
    labels = [text_of(section, sample) for sample in survey.samples]
    check = DataCheck(
        layout=section.layout,
        pictures=len(samples),
        splits=count_splits(section, samples, survey.samples, likeness),
        classes=count_classes(section, samples),
        sizes=find_sizes(survey.facts),
        histograms=survey.histograms,
        unreadable=survey.unreadable,
        unlisted=unlisted_files(section, folder, samples),
        exact=duplicates(names, likeness.exact),
        near=duplicates(names, likeness.near_groups()),
        shared_patients=shared_patients(samples),
        conflicts=conflicts(likeness, names, labels),
        repairs=list_repairs(section, folder),
        wrong_boxes=find_wrong_boxes(survey.samples, survey.facts),
    )
    return dataclasses.replace(check, problems=find_problems(section, check))


def write_check(check: DataCheck, out: Path) -> Path:
    """Write the check to ``check.json`` in a folder, which is made if it does not exist, and return the file."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / CHECK_FILE
    path.write_text(json.dumps(dataclasses.asdict(check), indent=1) + "\n", encoding="utf-8")
    return path


def _survey(section: DataSection, samples: Sequence[Sample], progress: Advance) -> _Survey:
    read: list[tuple[Sample, Facts]] = []
    unreadable: list[Unreadable] = []
    tallies: dict[int, Tally] = {}
    for sample, found in zip(samples, look_at(samples, section.colour, progress), strict=True):
        if isinstance(found, Unreadable):
            unreadable.append(found)
            continue
        facts, one = found
        read.append((sample, facts))
        tallies[sample.label] = added(tallies.get(sample.label), one)
    kept = tuple(sample for sample, _ in read)
    facts_of_all = tuple(facts for _, facts in read)
    return _Survey(kept, facts_of_all, histograms_of(section, kept, facts_of_all, tallies), tuple(unreadable))
