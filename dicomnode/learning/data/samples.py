"""One labelled picture, and how a set of them is divided and multiplied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from dicomnode.learning.data.shapes import Shape

Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture.

    Attributes:
        name: Path inside the data folder, with forward slashes; of DICOM files that a table names by UID, the
            SOP Instance UID, with ``#`` and the frame number behind it if there are several.
        path: The file.
        split: Split it belongs to.
        label: Index into the recipe's classes (the first box's class for detection).
        patient: Groups pictures of one patient; empty if unknown.
        clean: False if a near duplicate of it is in the training split.
        boxes: xyxy in pixels of the picture, corners at pixel edges.
        box_labels: Index into the recipe's classes for each box.
        shapes: Outline or mask of what each box holds, None where it is not known; ``shape_mask`` reads one.
        rotation: Degrees counter-clockwise by which the picture is turned when it is read.
        columns: The further columns of its row in labels.csv, as names and values; the patient is not among them.
        frame: Frame of a DICOM file, counted from 0; None for other files, and for the first frame of a ``.dcm`` file.
    """

    name: str
    path: Path
    split: str
    label: int
    patient: str = ""
    clean: bool = True
    boxes: tuple[Box, ...] = ()
    box_labels: tuple[int, ...] = ()
    shapes: tuple[Shape | None, ...] = ()
    rotation: float = 0.0
    columns: tuple[tuple[str, str], ...] = ()
    frame: int | None = None


def divided(
    samples: Iterable[Sample], source: str, splits: Sequence[str], shares: Sequence[float]
) -> tuple[Sample, ...]:
    """Samples of the split ``source`` dealt out to ``splits``, in about these shares of their groups.

    A group is a patient, or a picture where none is known. Its place follows from a hash of its name, so that the
    division is the same on every machine.
    """
    samples = tuple(samples)
    groups = {_group(sample) for sample in samples if sample.split == source}
    order = sorted(groups, key=lambda group: hashlib.sha256(group.encode()).digest())
    ends = [round(sum(shares[: number + 1]) * len(order)) for number in range(len(shares))]
    place = {
        group: next(split for split, end in zip(splits, ends, strict=True) if rank < end)
        for rank, group in enumerate(order)
    }
    return tuple(replace(s, split=place[_group(s)]) if s.split == source else s for s in samples)


def turned(samples: Iterable[Sample], degrees: Sequence[float]) -> tuple[Sample, ...]:
    """Each sample and, after it, a copy turned by each of ``degrees``."""
    return tuple(replace(sample, rotation=angle) for sample in samples for angle in (0.0, *degrees))


def _group(sample: Sample) -> str:
    return sample.patient or sample.name
