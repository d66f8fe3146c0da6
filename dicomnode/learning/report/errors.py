"""The worst errors: which they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dicomnode.learning.metrics.classification_metrics import Predictions
from dicomnode.learning.metrics.detection_metrics import Boxes
from dicomnode.learning.metrics.lesions import FALSE, claims_of


@dataclass(frozen=True, slots=True)
class LesionError:
    """A lesion that was missed, or a box where there is none.

    Attributes:
        image: Index of the image.
        label: Index of the class.
        score: Of the false box; None for a missed lesion.
        area: In pixels of the processed image.
    """

    image: int
    label: int
    score: float | None
    area: float


def worst_answers(predictions: Predictions, count: int) -> list[int]:
    """Indices of the images with a wrong most probable class, the surest first."""
    confidence = predictions.probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")]
    return [int(index) for index in order[:count]]


def worst_lesions(boxes: Boxes, count: int) -> list[LesionError]:
    """The largest lesions missed and the surest false boxes at the operating point, half of each where there are.

    Of an image's errors only the first of this order is taken, as its picture shows the others too.
    """
    errors = [error for image in range(len(boxes.truths)) for error in _errors_of(boxes, image)]
    missed = _one_per_image(sorted((e for e in errors if e.score is None), key=lambda e: -e.area))
    false = _one_per_image(sorted((e for e in errors if e.score is not None), key=lambda e: -(e.score or 0.0)))
    first = missed[: max(count // 2, count - len(false))]
    shown = {error.image for error in first}
    return [*first, *(error for error in false if error.image not in shown)][:count]


def _one_per_image(errors: list[LesionError]) -> list[LesionError]:
    first: dict[int, LesionError] = {}
    for error in errors:
        first.setdefault(error.image, error)
    return list(first.values())


def _errors_of(boxes: Boxes, image: int) -> list[LesionError]:
    truth, found = boxes.truths[image], boxes.found[image]
    above = {name: value[found["scores"] >= boxes.threshold] for name, value in found.items()}
    order = above["scores"].argsort(descending=True, stable=True).tolist()
    scores, claims = claims_of(truth, above, boxes.hit)
    missed = sorted(set(range(len(truth.boxes))) - set(claims))
    return [
        *(LesionError(image, int(truth.labels[i]), None, _area(truth.boxes[i].tolist())) for i in missed),
        *(
            LesionError(image, int(above["labels"][place]) - 1, score, _area(above["boxes"][place].tolist()))
            for place, score, claim in zip(order, scores, claims, strict=True)
            if claim == FALSE
        ),
    ]


def _area(box: list[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
