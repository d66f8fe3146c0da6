"""The reference set of a bundle: images made by formula, and what its network answers on them.

The images show nothing; they are as different from each other as scores can be made to be, and the same on every
machine. What the network answered where the bundle was made stands in ``docs/reference.json``, so that a machine whose
plain float32 is wrong is noticed too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from dicomnode.bundles import REFERENCE, Bundle, Task
from dicomnode.dicom.uids import derive_uid
from dicomnode.errors import BundleError
from dicomnode.findings import Presence
from dicomnode.inference.loaded import LoadedModel
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.predictor import Prediction, Request
from dicomnode.inference.self_check import generated_exam, size_of
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.inference.tuning.patterns import Pixels, grey_pattern, stained_pattern
from dicomnode.study import SourceReference

_COUNTS = {Task.CLASSIFICATION: 24, Task.DETECTION: 6, Task.EXAM: 1}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_OVERLAP = 0.9


@dataclass(frozen=True, slots=True)
class ReferenceAnswer:
    """What a network answers on one reference image or exam.

    Attributes:
        scores: 0..1: of the study's answer, of each class in the order of its code, of each finding, and of each side.
        labels: The most likely class, whether the study's answer is present, and the code of each finding.
        outlines: x and y of the least and the greatest point of each finding's strongest contour, in source pixels.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    scores: tuple[float, ...]
    labels: tuple[str, ...]
    outlines: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Stored:
    """The file: of which bundle, and its answers."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    bundle_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    answers: tuple[ReferenceAnswer, ...]


_FORM: TypeAdapter[_Stored] = TypeAdapter(_Stored)


def reference_pixels(bundle: Bundle) -> list[Pixels]:
    """The images (C, rows, columns) of a classifier or detector."""
    rows, columns = size_of(bundle)
    pattern = grey_pattern if bundle.channels == 1 else stained_pattern
    return [pattern(number, rows, columns) for number in range(_COUNTS[bundle.node.task])]


def answers_of(model: LoadedModel, pixels: Sequence[Pixels]) -> tuple[ReferenceAnswer, ...]:
    """What a model answers on each image, or on the reference exam."""
    return tuple(map(_answer, _predictions(model, pixels)))


def passes(model: LoadedModel, pixels: Sequence[Pixels]) -> Callable[[], int]:
    """Once through the network with everything that is prepared; gives the number of images, for measuring."""
    if isinstance(model, ExamPredictor):
        exam = generated_exam(model.exam)

        def once() -> int:
            model.predict(exam, "reference")
            return len(exam.views)

        return once
    return model.pass_of(pixels)


def difference(one: ReferenceAnswer, other: ReferenceAnswer) -> tuple[float, bool]:
    """The largest difference of any score, and whether the class or the findings are others."""
    if one.labels != other.labels or len(one.scores) != len(other.scores):
        least = [abs(a - b) for a, b in zip(one.scores, other.scores, strict=False)]
        return max(least, default=1.0), True
    apart = max(abs(a - b) for a, b in zip(one.scores, other.scores, strict=True))
    moved = any(_overlap(a, b) < _OVERLAP for a, b in zip(one.outlines, other.outlines, strict=True))
    return apart, moved


def read_reference(bundle: Bundle) -> tuple[ReferenceAnswer, ...] | None:
    """The stored answers; None if there are none for this bundle.

    Raises:
        BundleError: The file cannot be read.
    """
    file = bundle.path / REFERENCE
    if not file.is_file():
        return None
    try:
        stored = _FORM.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise BundleError(f"bundle {bundle.name}: {REFERENCE} cannot be used: {error}; delete it") from error
    return stored.answers if stored.bundle_digest == bundle.digest else None


def write_reference(bundle: Bundle, answers: tuple[ReferenceAnswer, ...]) -> Path:
    """Store the answers of plain float32 in a bundle."""
    file = bundle.path / REFERENCE
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(_FORM.dump_python(_Stored(bundle.digest, answers), mode="json")) + "\n", "utf-8")
    return file


def _predictions(model: LoadedModel, pixels: Sequence[Pixels]) -> Iterator[Prediction]:
    if isinstance(model, ExamPredictor):
        yield model.predict(generated_exam(model.exam), "reference")
        return
    yield from model.predict_each(
        Request((SliceGroup((_reference(number),), (image,)),), "reference") for number, image in enumerate(pixels)
    )


def _reference(number: int) -> SourceReference:
    return SourceReference(_SECONDARY_CAPTURE, derive_uid("reference", str(number)), derive_uid("reference series"))


def _answer(prediction: Prediction) -> ReferenceAnswer:
    answer, findings = prediction.answer, prediction.findings
    classes = sorted(answer.classes, key=lambda item: (item.concept.scheme, item.concept.value))
    scores = [answer.score, *(item.score for item in classes), *(item.score for item in findings)]
    strongest = [answer.classes[0].concept.value] if answer.classes else []
    present = "present" if answer.presence is Presence.PRESENT else "absent"
    return ReferenceAnswer(
        scores=tuple(round(score, 7) for score in (*scores, *(side.score for side in answer.sides))),
        labels=(present, *strongest, *(item.concept.value for item in findings)),
        outlines=tuple(_box(np.asarray(item.contours[0].points)) for item in findings if item.contours),
    )


def _box(points: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    least, greatest = points.min(axis=0), points.max(axis=0)
    return float(least[0]), float(least[1]), float(greatest[0]), float(greatest[1])


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes, xyxy."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both) if areas > both else 1.0
