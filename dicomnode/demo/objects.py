"""Reading what came back: sentences, outlines and masks out of SR and SEG, as any receiver would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

_MEASUREMENT_GROUP, _TRACKING_IDENTIFIER = "125007", "112039"
_SCORES = frozenset({"111012", "111047"})  # Certainty of Finding, Probability of cancer


@dataclass(frozen=True, slots=True)
class Outline:
    """A region of a measurement group on one image.

    Attributes:
        label: Tracking identifier of the group.
        score: Percent, None if the group has none.
        points: (N, 2) column, row, as SCOORD counts (PS3.3 C.18.6.1.2).
    """

    label: str
    score: float | None
    points: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """Enclosed area in square pixels (the shoelace formula)."""
        column, row = self.points.T
        return float(abs(column @ np.roll(row, 1) - row @ np.roll(column, 1)) / 2)


def outlines(report: Dataset) -> dict[str, list[Outline]]:
    """Outlines of a TID 1500 report by the SOP Instance UID of the image that they lie on."""
    found: dict[str, list[Outline]] = {}
    for group in _items(report, "CONTAINER", _MEASUREMENT_GROUP):
        label = next((str(item.TextValue) for item in _items(group, "TEXT", _TRACKING_IDENTIFIER)), "Region")
        score = _score(group)
        for region in _items(group, "SCOORD"):
            for image in _items(region, "IMAGE"):
                uid = str(image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
                points = np.array(region.GraphicData, np.float64).reshape(-1, 2)
                found.setdefault(uid, []).append(Outline(label, score, points))
    return found


def masks(segmentation: Dataset) -> dict[str, npt.NDArray[np.bool_]]:
    """All segments of a BINARY segmentation together, by the UID of the source image of each frame."""
    pixels = segmentation.pixel_array.astype(bool)
    pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    found: dict[str, npt.NDArray[np.bool_]] = {}
    for plane, frame in zip(pixels, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        uid = str(frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)
        found[uid] = found[uid] | plane if uid in found else plane
    return found


def sections(report: Dataset) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Headings of a text report, each with its sentences."""
    for section in _items(report, "CONTAINER"):
        sentences = tuple(str(item.TextValue) for item in _items(section, "TEXT"))
        if sentences:
            yield str(section.ConceptNameCodeSequence[0].CodeMeaning), sentences


def find(objects: Sequence[Dataset], sop_class_uid: str) -> list[Dataset]:
    """Those of one SOP class."""
    return [item for item in objects if item.SOPClassUID == sop_class_uid]


def _items(parent: Dataset, value_type: str, concept: str | None = None) -> Iterator[Dataset]:
    """Content items below ``parent``, at any depth."""
    for item in parent.get("ContentSequence", ()):
        named = item.get("ConceptNameCodeSequence")
        if item.ValueType == value_type and (concept is None or (named and named[0].CodeValue == concept)):
            yield item
        yield from _items(item, value_type, concept)


def _score(group: Dataset) -> float | None:
    for item in _items(group, "NUM"):
        if item.ConceptNameCodeSequence[0].CodeValue in _SCORES and item.MeasuredValueSequence:
            return float(item.MeasuredValueSequence[0].NumericValue)
    return None
