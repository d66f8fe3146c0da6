"""Figures of a classifier: per class, tumour against none, calibration, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from dicomnode.learning.calibration import Floats, Ints, expected_calibration_error

Interval: TypeAlias = tuple[float, float]

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Predictions:
    """Calibrated answers for one set of images.

    Attributes:
        probabilities: (N, K), rows sum to 1.
        labels: (N,) true class indices.
        groups: (N,) one string per image; images of one group (patient) are resampled together.
        negative: Indices of the classes that mean no finding.
        threshold: Operating point on 1 - p(no finding).
    """

    probabilities: Floats
    labels: Ints
    groups: tuple[str, ...]
    negative: tuple[int, ...]
    threshold: float

    def subset(self, chosen: Sequence[int]) -> Predictions:
        """The same for some of the images, repetitions allowed."""
        groups = tuple(self.groups[index] for index in chosen)
        where = np.asarray(chosen, dtype=np.int64)
        return Predictions(self.probabilities[where], self.labels[where], groups, self.negative, self.threshold)

    @property
    def scores(self) -> Floats:
        """(N,) 1 - p(no finding)."""
        return np.asarray(1 - self.probabilities[:, self.negative].sum(axis=1))

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """(N,) True where there is a finding."""
        return ~np.isin(self.labels, self.negative)


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class against the others by the most probable class."""

    precision: float
    recall: float
    f1: float
    images: int


@dataclass(frozen=True, slots=True)
class ClassificationFigures:
    """What `dicomnode evaluate` reports of a classifier; fractions are 0..1.

    Attributes:
        images: Number of images.
        accuracy: Most probable class is the right one.
        macro_f1: Mean over classes.
        weighted_f1: Mean weighted by class size.
        sensitivity: Images with a finding whose 1 - p(no finding) reaches the operating point.
        specificity: Images without one that stay below it.
        auc: Area under the ROC curve of 1 - p(no finding); NaN if all images are of one kind.
        ece: Expected calibration error, 15 bins.
        classes: By class name.
        confusion: Rows true, columns predicted, in the order of the classes.
        intervals: 95 % bootstrap intervals by figure.
        resampled: ``patient`` or ``image``.
    """

    images: int
    accuracy: float
    macro_f1: float
    weighted_f1: float
    sensitivity: float
    specificity: float
    auc: float
    ece: float
    classes: dict[str, ClassFigures]
    confusion: list[list[int]]
    intervals: dict[str, Interval]
    resampled: str


def classification_figures(predictions: Predictions, names: Sequence[str], seed: int) -> ClassificationFigures:
    """Every figure of one set of images."""
    labels, predicted = predictions.labels, predictions.probabilities.argmax(axis=1)
    order = list(range(len(names)))
    columns = precision_recall_fscore_support(labels, predicted, labels=order, zero_division=0)
    by_class = {
        name: ClassFigures(float(columns[0][i]), float(columns[1][i]), float(columns[2][i]), int(columns[3][i]))
        for i, name in enumerate(names)
    }
    figures: dict[str, Callable[[Predictions], float]] = {
        "accuracy": _accuracy,
        "macro_f1": lambda p: float(np.mean(_f1(p))),
        "sensitivity": _sensitivity,
        "specificity": _specificity,
        "auc": _auc,
    }
    values = {name: figure(predictions) for name, figure in figures.items()}
    return ClassificationFigures(
        images=len(labels),
        weighted_f1=float(np.average(columns[2], weights=columns[3])),
        ece=expected_calibration_error(predictions.probabilities, labels),
        classes=by_class,
        confusion=confusion_matrix(labels, predicted, labels=order).tolist(),
        intervals=bootstrap(predictions, figures, seed),
        resampled="image" if len(set(predictions.groups)) == len(labels) else "patient",
        **values,
    )


def bootstrap(
    predictions: Predictions, figures: dict[str, Callable[[Predictions], float]], seed: int
) -> dict[str, Interval]:
    """95 % percentile intervals over resampled groups."""
    members: dict[str, list[int]] = {}
    for index, group in enumerate(predictions.groups):
        members.setdefault(group, []).append(index)
    groups, random = list(members.values()), np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(_RESAMPLES):
        chosen = [index for place in random.integers(len(groups), size=len(groups)) for index in groups[place]]
        resampled = predictions.subset(chosen)
        for name, figure in figures.items():
            drawn[name].append(figure(resampled))
    return {name: interval(values) for name, values in drawn.items()}


def interval(values: Sequence[float]) -> Interval:
    """Middle 95 % of the values that are numbers."""
    low, high = np.nanpercentile(values, [2.5, 97.5]) if not np.isnan(values).all() else (np.nan, np.nan)
    return float(low), float(high)


def _accuracy(predictions: Predictions) -> float:
    return float((predictions.probabilities.argmax(axis=1) == predictions.labels).mean())


def _f1(predictions: Predictions) -> list[float]:
    predicted, labels = predictions.probabilities.argmax(axis=1), predictions.labels
    count = predictions.probabilities.shape[1]
    hits = np.bincount(labels[predicted == labels], minlength=count)
    both = np.bincount(labels, minlength=count) + np.bincount(predicted, minlength=count)
    return [2 * h / b if b else 0.0 for h, b in zip(hits, both, strict=True)]


def _sensitivity(predictions: Predictions) -> float:
    chosen = predictions.scores[predictions.positive]
    return float((chosen >= predictions.threshold).mean()) if len(chosen) else float("nan")


def _specificity(predictions: Predictions) -> float:
    chosen = predictions.scores[~predictions.positive]
    return float((chosen < predictions.threshold).mean()) if len(chosen) else float("nan")


def _auc(predictions: Predictions) -> float:
    if predictions.positive.all() or not predictions.positive.any():
        return float("nan")
    return float(roc_auc_score(predictions.positive, predictions.scores))
