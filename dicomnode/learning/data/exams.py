"""From labelled mammograms to breasts and whole exams with their truths."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.errors import RecipeError
from dicomnode.learning.data.exam_tables import is_birads
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.recipes.recipe import DataSection

Truth: TypeAlias = tuple[bool, ...]

_CBIS = re.compile(r"_(?P<side>LEFT|RIGHT)_(?P<view>CC|MLO)")


@dataclass(frozen=True, slots=True)
class BreastImage:
    """A mammogram and what is true of its breast.

    Attributes:
        sample: The picture.
        exam: Groups the images of one visit.
        laterality: ``L`` or ``R``.
        position: ``CC`` or ``MLO``.
        truth: For each of the recipe's classes, whether the breast has it (or the exam, where they are categories).
    """

    sample: Sample
    exam: str
    laterality: Literal["L", "R"]
    position: Literal["CC", "MLO"]
    truth: Truth

    @property
    def view(self) -> str:
        """Such as ``L-CC``."""
        return f"{self.laterality}-{self.position}"

    @property
    def group(self) -> str:
        """The patient or, where none is known, the exam."""
        return self.sample.patient or self.exam


@dataclass(frozen=True, slots=True)
class Exam:
    """Four mammograms of one visit.

    Attributes:
        name: Of the exam.
        group: The patient or, where none is known, the exam.
        views: Image of each of the four standard views.
        truths: Of the left and the right breast.
    """

    name: str
    group: str
    views: Mapping[str, BreastImage]
    truths: tuple[Truth, Truth]


Unit: TypeAlias = BreastImage | Exam
"""What a network sees at once."""


def breast_images(section: DataSection, samples: Iterable[Sample]) -> tuple[BreastImage, ...]:
    """The mammograms with their breasts' truths: a breast has what any of its images has.

    Images of CBIS-DDSM are named by patient, side and view; all of a patient's are one exam.

    Raises:
        RecipeError: If a sample says neither.
    """
    placed = [_placed(section, sample) for sample in samples]
    truths: defaultdict[tuple[str, str], Truth] = defaultdict(lambda: (False,) * len(section.classes))
    for image in placed:
        # An exam has one BI-RADS category, a breast its own findings.
        key = (image.exam, "" if is_birads(section) else image.laterality)
        truths[key] = tuple(one or other for one, other in zip(truths[key], image.truth, strict=True))
    return tuple(
        BreastImage(
            image.sample,
            image.exam,
            image.laterality,
            image.position,
            truths[(image.exam, "" if is_birads(section) else image.laterality)],
        )
        for image in placed
    )


def whole_exams(images: Sequence[BreastImage]) -> tuple[Exam, ...]:
    """The exams with all four standard views, in the order of their first images; of a repeated view, the first."""
    by_exam: dict[str, dict[str, BreastImage]] = {}
    for image in images:
        by_exam.setdefault(image.exam, {}).setdefault(image.view, image)
    return tuple(
        Exam(name, views["L-CC"].group, views, (views["L-CC"].truth, views["R-CC"].truth))
        for name, views in by_exam.items()
        if all(view in views for view in STANDARD_VIEWS)
    )


def _placed(section: DataSection, sample: Sample) -> BreastImage:
    columns = dict(sample.columns)
    if {"exam", "laterality", "view"} <= columns.keys():
        named = (columns["exam"], columns["laterality"], columns["view"])
    elif match := _CBIS.search(sample.name):
        named = (sample.patient, match["side"][0], match["view"])
    else:
        raise RecipeError(f"{sample.name}: nothing says which exam, breast and view it is; task exam needs that")
    labels = (sample.label, *sample.box_labels)
    truth = tuple(
        columns.get(name, "1" if index in labels else "0") == "1" for index, name in enumerate(section.classes)
    )
    exam, laterality, position = named
    return BreastImage(sample, exam, cast(Literal["L", "R"], laterality), cast(Literal["CC", "MLO"], position), truth)
