"""What a data check tells: plain values, ready for JSON by ``dataclasses.asdict``.

Pictures are called by their names in the data folder, patients by nothing but their pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dicomnode.learning.data.repairs import Repair
from dicomnode.learning.data.samples import Box


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Pictures of one class in one split.

    Attributes:
        split: The split.
        name: The class, or ``no box``.
        pictures: Pictures of the class; for detection, pictures with a box of it.
        boxes: Boxes of the class; 0 for classification.
    """

    split: str
    name: str
    pictures: int
    boxes: int


@dataclass(frozen=True, slots=True)
class SplitCount:
    """One split.

    Attributes:
        split: Its name.
        pictures: How many it has, readable or not.
        patients: How many different patients are known in it.
        exact_twin_in_train: Pictures with the same pixels as one of the training split; 0 for that split itself.
        near_twin_in_train: Pictures whose difference hash is at most 4 of 256 bits from one of the training split,
            the exact twins among them.
        clean: Pictures that the labels call free of a twin in the training split.
        clean_with_twin: Those of them that have a near twin there all the same.
    """

    split: str
    pictures: int
    patients: int
    exact_twin_in_train: int
    near_twin_in_train: int
    clean: int
    clean_with_twin: int


@dataclass(frozen=True, slots=True)
class Span:
    """Smallest, middle and largest value, in pixels."""

    minimum: int
    median: float
    maximum: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the readable pictures.

    Attributes:
        width: Columns.
        height: Rows.
        distinct: How many different pairs of width and height there are.
    """

    width: Span
    height: Span
    distinct: int


@dataclass(frozen=True, slots=True)
class ClassHistogram:
    """Intensities of one class; every picture counts alike, whatever its size.

    Attributes:
        name: The class (of the first box, for detection), or ``no box``.
        pictures: How many were read.
        mean: Of all values.
        deviation: Standard deviation of all values.
        shares: Share of the values in each bin; they add up to 1.
    """

    name: str
    pictures: int
    mean: float
    deviation: float
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Histograms:
    """Histograms over the same bins; bin k holds values from ``start + k * step`` to below the next.

    Attributes:
        start: Lower edge of the first bin, in the pictures' own values; colours are taken together.
        step: Width of a bin.
        classes: One for each class that has a readable picture.
    """

    start: float
    step: float
    classes: tuple[ClassHistogram, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture that is missing or cannot be read."""

    name: str
    split: str
    reason: str


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of pictures that are alike.

    Attributes:
        extra: Pictures that could go without losing a different one.
        groups: Names of the members; each group has two or more.
    """

    extra: int
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class SharedPatient:
    """A patient with pictures in more than one split.

    Attributes:
        splits: The splits.
        pictures: Number of the patient's pictures in each of them.
        examples: One picture in each of them.
    """

    splits: tuple[str, ...]
    pictures: tuple[int, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Pictures that are alike and labelled differently.

    Attributes:
        alike: ``same pixels``, or ``near duplicates``.
        pictures: Names.
        labels: Label of each.
    """

    alike: Literal["same pixels", "near duplicates"]
    pictures: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrongBox:
    """A box that cannot be right.

    Attributes:
        name: Its picture.
        box: xyxy in pixels, corners at pixel edges.
        reason: What is wrong.
    """

    name: str
    box: Box
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in a sentence.

    Attributes:
        severity: ``error`` if training cannot run on the data as they are.
        text: The sentence.
    """

    severity: Literal["error", "warning"]
    text: str


@dataclass(frozen=True, slots=True)
class DataCheck:
    """Everything that a data check found.

    Attributes:
        layout: Of the data folder.
        pictures: How many the layout names.
        splits: The recipe's splits, then others that the labels name.
        classes: Class by class in each of these splits.
        sizes: None if no picture could be read.
        histograms: None if no picture could be read.
        unreadable: Pictures that are missing or cannot be read.
        unlisted: Pictures in the data folder that the labels do not name, or whose labels the recipe ignores.
        exact: Pictures with the same pixels, as the recipe reads them.
        near: Pictures linked by difference hashes at most 4 of 256 bits apart, the exact copies among them.
        shared_patients: Patients across splits.
        conflicts: Alike and labelled differently.
        wrong_boxes: Boxes outside their picture or without an area.
        repairs: What was put right while the folder was read, in the order of its tables.
        problems: All that needs attention, errors first.
    """

    layout: str
    pictures: int
    splits: tuple[SplitCount, ...]
    classes: tuple[ClassCount, ...]
    sizes: Sizes | None
    histograms: Histograms | None
    unreadable: tuple[Unreadable, ...]
    unlisted: tuple[str, ...]
    exact: Duplicates
    near: Duplicates
    shared_patients: tuple[SharedPatient, ...]
    conflicts: tuple[Conflict, ...]
    wrong_boxes: tuple[WrongBox, ...]
    repairs: tuple[Repair, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether training cannot run on the data as they are."""
        return any(problem.severity == "error" for problem in self.problems)
