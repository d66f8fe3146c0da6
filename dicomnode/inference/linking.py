"""Boxes on neighbouring slices that are one lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.inference.network import Detection

_SAME_PLACE = 0.5
_INSIDE = 0.8
_SAME_LESION = 0.3


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lesion as the detector saw it.

    Attributes:
        planes: Slice index and detection, by slice index; at most one per slice.
    """

    planes: tuple[tuple[int, Detection], ...]

    @property
    def score(self) -> float:
        """The highest score of its detections, 0..1."""
        return max(detection.score for _, detection in self.planes)

    @property
    def label(self) -> int:
        """The label with the highest sum of scores, 1..n."""
        sums: dict[int, float] = {}
        for _, detection in self.planes:
            sums[detection.label] = sums.get(detection.label, 0.0) + detection.score
        return min(sums, key=lambda label: (-sums[label], label))


def overlap(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Intersection over union of two xyxy boxes, 0..1."""
    shared = _shared(first, second)
    return shared / (_size(first) + _size(second) - shared) if shared else 0.0


def covers(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> bool:
    """Whether two xyxy boxes are on one thing: half of both is shared, or one lies inside the other."""
    shared = _shared(first, second)
    smaller = min(_size(first), _size(second))
    return overlap(first, second) >= _SAME_PLACE or shared >= _INSIDE * smaller


def link(slices: Sequence[Sequence[Detection]], threshold: float, *, neighbours: bool) -> tuple[Lesion, ...]:
    """The lesions that detections at or above a threshold make up, strongest first.

    Two boxes on one slice are one if they cover each other (IoU 0.5, or one inside the other), whatever their label.
    A box goes on with the lesion of the slice before that it overlaps most (IoU 0.3 or more).

    Args:
        slices: Detections per slice.
        threshold: Operating point on the box score.
        neighbours: False keeps slices apart, as they are not next to each other in space.
    """
    lesions: list[list[tuple[int, Detection]]] = []
    for index, detections in enumerate(slices):
        kept = _distinct([detection for detection in detections if detection.score >= threshold])
        current = [lesion for lesion in lesions if lesion[-1][0] == index - 1] if neighbours else []
        matched = _matches(current, kept)
        for number, detection in enumerate(kept):
            if number in matched:
                current[matched[number]].append((index, detection))
            else:
                lesions.append([(index, detection)])
    found = [Lesion(tuple(lesion)) for lesion in lesions]
    return tuple(sorted(found, key=lambda lesion: -lesion.score))


def _matches(lesions: Sequence[Sequence[tuple[int, Detection]]], detections: Sequence[Detection]) -> dict[int, int]:
    """Detection number to lesion number, best overlap first, each used once."""
    pairs = [
        (overlap(lesion[-1][1].box, detection.box), number, place)
        for place, lesion in enumerate(lesions)
        for number, detection in enumerate(detections)
    ]
    matched: dict[int, int] = {}
    for value, number, place in sorted(pairs, key=lambda pair: -pair[0]):
        if value >= _SAME_LESION and number not in matched and place not in matched.values():
            matched[number] = place
    return matched


def _distinct(detections: Sequence[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda item: -item.score):
        if not any(covers(detection.box, other.box) for other in kept):
            kept.append(detection)
    return kept


def _shared(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    width, height = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    return float(width * height) if width > 0 and height > 0 else 0.0


def _size(box: npt.NDArray[np.float64]) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
