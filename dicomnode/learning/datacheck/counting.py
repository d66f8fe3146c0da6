"""What the labels of a data set say, and what its pictures' facts add up to."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dicomnode.learning.data.samples import Box, Sample
from dicomnode.learning.datacheck.findings import (
    ClassCount,
    ClassHistogram,
    Histograms,
    SharedPatient,
    Sizes,
    Span,
    SplitCount,
    WrongBox,
)
from dicomnode.learning.datacheck.likeness import Likeness
from dicomnode.learning.datacheck.survey import Facts
from dicomnode.learning.datacheck.tallies import Tally, added, at_width, over
from dicomnode.learning.recipes.recipe import DataSection

NO_BOX = "no box"
NO_FINDING = "no finding"

_OUTSIDE = 0.5
"""Pixels by which a box may reach over the edge: coordinates are rounded."""


def text_of(section: DataSection, sample: Sample) -> str:
    """The class of a sample, or the classes of its boxes."""
    if section.layout == "coco":
        return " + ".join(sorted({section.classes[label] for label in sample.box_labels})) or NO_BOX
    return section.classes[sample.label] if sample.label >= 0 else none_of(section)


def none_of(section: DataSection) -> str:
    """What a picture without a label is called."""
    return NO_FINDING if section.layout == "exam_csv" else NO_BOX


def splits_of(section: DataSection, samples: Iterable[Sample]) -> tuple[str, ...]:
    """The recipe's splits, then others that the labels name."""
    return tuple(dict.fromkeys((section.train, section.valid, section.test, *(s.split for s in samples))))


def count_classes(section: DataSection, samples: Sequence[Sample]) -> tuple[ClassCount, ...]:
    """Every class in every split, and the pictures without a box where there are some."""
    pictures: Counter[tuple[str, int]] = Counter()
    boxes: Counter[tuple[str, int]] = Counter()
    for sample in samples:
        boxes.update((sample.split, label) for label in sample.box_labels)
        pictures.update((sample.split, label) for label in {*sample.box_labels} or {sample.label})
    counts = []
    for split in splits_of(section, samples):
        for label, name in enumerate((*section.classes, none_of(section))):
            key = (split, label if label < len(section.classes) else -1)
            if key[1] >= 0 or pictures[key]:
                counts.append(ClassCount(split, name, pictures[key], boxes[key]))
    return tuple(counts)


def count_splits(
    section: DataSection, samples: Sequence[Sample], read: Sequence[Sample], likeness: Likeness
) -> tuple[SplitCount, ...]:
    """Every split with its patients and its twins in the training split.

    Args:
        section: Names the training split.
        samples: All.
        read: Those that could be read, as ``likeness`` numbers them.
        likeness: Which of them are alike.
    """
    train = {index for index, sample in enumerate(read) if sample.split == section.train}
    exact, near = likeness.exact_twins_of(train) - train, likeness.near_twins_of(train) - train
    clean = {i for i, sample in enumerate(read) if section.clean_column and sample.clean} - train
    counts = []
    for split in splits_of(section, samples):
        of_split = {index for index, sample in enumerate(read) if sample.split == split}
        members = [sample for sample in samples if sample.split == split]
        counts.append(
            SplitCount(
                split=split,
                pictures=len(members),
                patients=len({sample.patient for sample in members} - {""}),
                exact_twin_in_train=len(exact & of_split),
                near_twin_in_train=len(near & of_split),
                clean=len(clean & of_split),
                clean_with_twin=len(clean & near & of_split),
            )
        )
    return tuple(counts)


def shared_patients(samples: Iterable[Sample]) -> tuple[SharedPatient, ...]:
    """Patients with pictures in more than one split, in the order of their first picture."""
    of_patient: dict[str, dict[str, list[str]]] = {}
    for sample in samples:
        if sample.patient:
            of_patient.setdefault(sample.patient, {}).setdefault(sample.split, []).append(sample.name)
    return tuple(
        SharedPatient(tuple(found), tuple(map(len, found.values())), tuple(names[0] for names in found.values()))
        for found in of_patient.values()
        if len(found) > 1
    )


def find_sizes(facts: Sequence[Facts]) -> Sizes | None:
    """The range of sizes; None for no picture."""
    if not facts:
        return None
    widths, heights = [one.width for one in facts], [one.height for one in facts]
    return Sizes(_span(widths), _span(heights), len(set(zip(widths, heights, strict=True))))


def _span(values: Sequence[int]) -> Span:
    return Span(min(values), float(statistics.median(values)), max(values))


def find_wrong_boxes(samples: Sequence[Sample], facts: Sequence[Facts]) -> tuple[WrongBox, ...]:
    """Boxes without an area, or half a pixel and more outside their picture."""
    return tuple(
        WrongBox(sample.name, box, reason)
        for sample, one in zip(samples, facts, strict=True)
        for box in sample.boxes
        for reason in _faults(box, one)
    )


def _faults(box: Box, facts: Facts) -> Iterator[str]:
    left, top, right, bottom = box
    if not (right > left and bottom > top):
        yield "has no area"
    elif min(left, top) < -_OUTSIDE or right > facts.width + _OUTSIDE or bottom > facts.height + _OUTSIDE:
        yield f"reaches out of the picture of {facts.width} x {facts.height} pixels"


def histograms_of(
    section: DataSection, samples: Sequence[Sample], facts: Sequence[Facts], tallies: Mapping[int, Tally]
) -> Histograms | None:
    """One histogram per label over common bins; None for no picture.

    Args:
        section: Names the classes.
        samples: Readable ones.
        facts: Of their pictures.
        tallies: Sum of their tallies for each label; -1 is a picture without any.
    """
    whole: Tally | None = None
    for one in tallies.values():
        whole = added(whole, one)
    if whole is None:
        return None
    classes = []
    for label in sorted(tallies, key=lambda label: label % (len(section.classes) + 1)):
        of_class = [one for sample, one in zip(samples, facts, strict=True) if sample.label == label]
        placed = at_width(tallies[label], whole.exponent)
        weights = over(placed, whole.first, whole.first + len(whole.weights)) / len(of_class)
        mean = statistics.fmean(one.mean for one in of_class)
        variance = statistics.fmean(one.square for one in of_class) - mean**2
        name = none_of(section) if label < 0 else section.classes[label]
        deviation = math.sqrt(max(variance, 0.0))
        classes.append(ClassHistogram(name, len(of_class), mean, deviation, tuple(weights.tolist())))
    step = 2.0**whole.exponent
    return Histograms(whole.first * step, step, tuple(classes))
