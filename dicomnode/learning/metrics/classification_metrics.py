"""Figures of a classifier: per class, finding against none, calibration, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dicomnode.learning.metrics.calibration import Floats, Ints, calibration_errors
from dicomnode.learning.metrics.resampling import Interval, bootstrap, resampled_by
from dicomnode.learning.metrics.weighted_figures import (
    Bools,
    class_rates,
    confusions,
    mean_of_numbers,
    operating_counts,
    operating_rates,
    overall_rates,
    ranked,
)

_RESAMPLES = 1000
_RATES = ("precision", "recall", "f1", "auc", "pr_auc")


@dataclass(frozen=True, slots=True)
class Predictions:
    """Calibrated answers for one set of images.

    Attributes:
        probabilities: (N, K), rows sum to 1.
        labels: (N,) true class indices.
        groups: (N,) one string per image; images of one group (patient) are resampled together.
        negative: Indices of the classes that mean no finding.
        threshold: Operating point on 1 - p(no finding).
        recall: Recall at which the precision is wanted, 0..1; None for none.
    """

    probabilities: Floats
    labels: Ints
    groups: tuple[str, ...]
    negative: tuple[int, ...]
    threshold: float
    recall: float | None = None

    def subset(self, chosen: Sequence[int]) -> Predictions:
        """The same for some of the images, repetitions allowed."""
        groups = tuple(self.groups[index] for index in chosen)
        where = np.asarray(chosen, dtype=np.int64)
        return Predictions(
            self.probabilities[where], self.labels[where], groups, self.negative, self.threshold, self.recall
        )

    @property
    def scores(self) -> Floats:
        """(N,) 1 - p(no finding)."""
        return np.asarray(1 - self.probabilities[:, self.negative].sum(axis=1))

    @property
    def positive(self) -> Bools:
        """(N,) True where there is a finding."""
        return ~np.isin(self.labels, self.negative)

    @property
    def predicted(self) -> Ints:
        """(N,) most probable class."""
        return np.asarray(self.probabilities.argmax(axis=1))


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class against the others.

    Attributes:
        precision: By the most probable class, as are the next two; 0 if it was never predicted.
        recall: 0 if there is no such image.
        f1: Harmonic mean of both.
        images: Of this class.
        auc: Area under the ROC curve of the class's probability; NaN if all images are of one kind.
        pr_auc: Average precision of it; NaN if there is no such image.
        intervals: 95 % bootstrap intervals by figure.
    """

    precision: float
    recall: float
    f1: float
    images: int
    auc: float
    pr_auc: float
    intervals: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class ClassificationFigures:
    """What `dicomnode evaluate` reports of a classifier; fractions are 0..1.

    Attributes:
        images: Number of images.
        accuracy: Most probable class is the right one.
        balanced_accuracy: Mean recall of the classes that have images.
        macro_precision: Mean over classes; so are the next two.
        macro_recall: A class without images counts as 0.
        macro_f1: Likewise.
        weighted_precision: Mean weighted by class size; so are the next two.
        weighted_recall: The same number as the accuracy.
        weighted_f1: Of F1.
        sensitivity: Images with a finding whose 1 - p(no finding) reaches the operating point.
        specificity: Images without one that stay below it.
        fnr: 1 - sensitivity.
        fpr: 1 - specificity.
        fn_percent_of_images: Missed findings as percent of all images, as some studies print them.
        fp_percent_of_images: False alarms as percent of all images.
        binary_accuracy: Finding against none at the operating point.
        ppv: Positive predictive value (precision) at the operating point.
        npv: Negative predictive value there.
        auc: Area under the ROC curve of 1 - p(no finding); NaN if all images are of one kind.
        pr_auc: Average precision of it.
        macro_auc: Mean over classes of each against the others, for those where it is defined.
        macro_pr_auc: Likewise.
        recall_target: A recall of findings that was asked for.
        precision_at_recall: Highest precision of a threshold that reaches it on these images; NaN if none was asked.
        ece: Expected calibration error, 15 bins.
        operating_counts: True and false positives and negatives at the operating point.
        classes: By class name.
        confusion: Rows true, columns predicted, in the order of the classes.
        intervals: 95 % bootstrap intervals by figure; NaN if all images are of one patient.
        resampled: ``patient`` or ``image``.
    """

    images: int
    accuracy: float
    balanced_accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    sensitivity: float
    specificity: float
    fnr: float
    fpr: float
    fn_percent_of_images: float
    fp_percent_of_images: float
    binary_accuracy: float
    ppv: float
    npv: float
    auc: float
    pr_auc: float
    macro_auc: float
    macro_pr_auc: float
    recall_target: float | None
    precision_at_recall: float
    ece: float
    operating_counts: dict[str, int]
    classes: dict[str, ClassFigures]
    confusion: list[list[int]]
    intervals: dict[str, Interval]
    resampled: str


@dataclass(frozen=True, slots=True)
class SubgroupFigures:
    """The main figures of the images that share a value of a column."""

    images: int
    accuracy: float
    sensitivity: float
    specificity: float
    auc: float
    intervals: dict[str, Interval]
    resampled: str


def classification_figures(predictions: Predictions, names: Sequence[str], seed: int) -> ClassificationFigures:
    """Every figure of one set of images."""
    once = np.ones((1, len(predictions.labels)))

    def figures(weights: Floats) -> dict[str, Floats]:
        return _overall(predictions, weights) | _by_class(predictions, weights)

    values = {name: float(value[0]) for name, value in figures(once).items()}
    intervals = bootstrap(predictions.groups, figures, _RESAMPLES, seed)
    counts = confusions(predictions.labels, predictions.predicted, len(names), once)[0].astype(int)
    overall = {name: value for name, value in values.items() if "/" not in name}
    sizes = dict(zip(names, counts.sum(axis=1).tolist(), strict=True))
    return ClassificationFigures(
        images=len(predictions.labels),
        recall_target=predictions.recall,
        operating_counts={name: int(value[0]) for name, value in _counts(predictions, once).items()},
        classes={
            name: _class_figures(index, size, values, intervals) for index, (name, size) in enumerate(sizes.items())
        },
        confusion=counts.tolist(),
        intervals={name: intervals[name] for name in overall},
        resampled=resampled_by(predictions.groups),
        **overall,
    )


def classification_subgroup(predictions: Predictions, seed: int) -> SubgroupFigures:
    """The main figures of a part of the images."""
    names = ("accuracy", "sensitivity", "specificity", "auc")

    def figures(weights: Floats) -> dict[str, Floats]:
        overall = _overall(predictions, weights)
        return {name: overall[name] for name in names}

    values = figures(np.ones((1, len(predictions.labels))))
    return SubgroupFigures(
        images=len(predictions.labels),
        intervals=bootstrap(predictions.groups, figures, _RESAMPLES, seed),
        resampled=resampled_by(predictions.groups),
        **{name: float(value[0]) for name, value in values.items()},
    )


def _counts(predictions: Predictions, weights: Floats) -> dict[str, Floats]:
    return operating_counts(predictions.positive, predictions.scores >= predictions.threshold, weights)


def _overall(predictions: Predictions, weights: Floats) -> dict[str, Floats]:
    classes = predictions.probabilities.shape[1]
    ranking = ranked(predictions.scores, predictions.positive, weights)
    recall = predictions.recall
    return {
        **overall_rates(confusions(predictions.labels, predictions.predicted, classes, weights)),
        **operating_rates(_counts(predictions, weights)),
        "auc": ranking.auc,
        "pr_auc": ranking.average_precision,
        "precision_at_recall": np.full(len(weights), np.nan) if recall is None else ranking.precision_at(recall),
        "ece": calibration_errors(predictions.probabilities, predictions.labels, weights),
    }


def _by_class(predictions: Predictions, weights: Floats) -> dict[str, Floats]:
    """Macro areas, and each class's figures as ``<index>/<figure>``."""
    classes = predictions.probabilities.shape[1]
    rates = class_rates(confusions(predictions.labels, predictions.predicted, classes, weights))
    rankings = [
        ranked(predictions.probabilities[:, index], predictions.labels == index, weights) for index in range(classes)
    ]
    areas = np.stack([ranking.auc for ranking in rankings], axis=1)
    precisions = np.stack([ranking.average_precision for ranking in rankings], axis=1)
    columns = dict(zip(_RATES, (rates.precision, rates.recall, rates.f1, areas, precisions), strict=True))
    by_class = {f"{index}/{name}": column[:, index] for index in range(classes) for name, column in columns.items()}
    return {"macro_auc": mean_of_numbers(areas), "macro_pr_auc": mean_of_numbers(precisions), **by_class}


def _class_figures(
    index: int, images: int, values: Mapping[str, float], intervals: Mapping[str, Interval]
) -> ClassFigures:
    own = {name: values[f"{index}/{name}"] for name in _RATES}
    return ClassFigures(images=images, intervals={name: intervals[f"{index}/{name}"] for name in _RATES}, **own)
