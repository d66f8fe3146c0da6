"""Figures of a classifier for many weightings of the same images at once.

A bootstrap needs every figure a thousand times. scikit-learn has no function that takes many weightings, and calling
it for each takes minutes, so the figures are written here as sums over images; the tests hold them to scikit-learn's.
Wherever R weightings of N images come in as (R, N), values go out as (R,).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.learning.metrics.calibration import Floats, Ints

Bools = npt.NDArray[np.bool_]


def share(part: Floats, whole: Floats, without: float = float("nan")) -> Floats:
    """``part / whole``, and ``without`` where the whole is nothing."""
    shares: Floats = np.full(np.broadcast(part, whole).shape, without)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def confusions(labels: Ints, predicted: Ints, classes: int, weights: Floats) -> Floats:
    """(R, K, K) weight of each true (row) and predicted (column) class."""
    cells = np.eye(classes * classes)[labels * classes + predicted]
    return np.asarray((weights @ cells).reshape(-1, classes, classes))


@dataclass(frozen=True, slots=True)
class ClassRates:
    """(R, K) precision, recall and F1 of each class; 0 where nothing was there to be found or nothing was predicted."""

    precision: Floats
    recall: Floats
    f1: Floats


def class_rates(counts: Floats) -> ClassRates:
    """From (R, K, K) confusions."""
    hits, true, predicted = np.einsum("rkk->rk", counts), counts.sum(axis=2), counts.sum(axis=1)
    return ClassRates(share(hits, predicted, 0.0), share(hits, true, 0.0), share(2 * hits, true + predicted, 0.0))


def overall_rates(counts: Floats) -> dict[str, Floats]:
    """Accuracy, balanced accuracy, macro and weighted rates, from (R, K, K) confusions.

    Macro means count a class without images as 0, as scikit-learn does; balanced accuracy leaves it out.
    """
    rates, true = class_rates(counts), counts.sum(axis=2)
    total = true.sum(axis=1)
    figures = {
        "accuracy": share(np.einsum("rkk->r", counts), total),
        "balanced_accuracy": share(rates.recall.sum(axis=1), (true > 0).sum(axis=1).astype(np.float64)),
    }
    values = {"precision": rates.precision, "recall": rates.recall, "f1": rates.f1}
    figures |= {f"macro_{name}": value.mean(axis=1) for name, value in values.items()}
    return figures | {f"weighted_{name}": share((value * true).sum(axis=1), total) for name, value in values.items()}


def operating_counts(positive: Bools, called: Bools, weights: Floats) -> dict[str, Floats]:
    """Weight of true positive, false negative, false positive and true negative images."""
    cells = {
        "true_positives": positive & called,
        "false_negatives": positive & ~called,
        "false_positives": ~positive & called,
        "true_negatives": ~positive & ~called,
    }
    return {name: np.asarray(weights @ chosen.astype(np.float64)) for name, chosen in cells.items()}


def operating_rates(counts: Mapping[str, Floats]) -> dict[str, Floats]:
    """Rates of finding against none at the operating point; NaN where there is nothing to take a share of."""
    tp, fn = counts["true_positives"], counts["false_negatives"]
    fp, tn = counts["false_positives"], counts["true_negatives"]
    total = tp + fn + fp + tn
    return {
        "sensitivity": share(tp, tp + fn),
        "specificity": share(tn, tn + fp),
        "fnr": share(fn, tp + fn),
        "fpr": share(fp, tn + fp),
        "fn_percent_of_images": 100 * share(fn, total),
        "fp_percent_of_images": 100 * share(fp, total),
        "binary_accuracy": share(tp + tn, total),
        "ppv": share(tp, tp + fp),
        "npv": share(tn, tn + fn),
    }


@dataclass(frozen=True, slots=True)
class RankedCounts:
    """Images at or above each score, from the highest score down; equal scores are one step.

    Attributes:
        hits: (R, U) weight of the positive ones among them.
        misses: (R, U) weight of the others.
    """

    hits: Floats
    misses: Floats

    @property
    def auc(self) -> Floats:
        """Area under the ROC curve by trapezoids; NaN if all images are of one kind."""
        steps = np.diff(self.misses, axis=1, prepend=0.0)
        heights = self.hits + np.pad(self.hits, ((0, 0), (1, 0)))[:, :-1]
        return share((steps * heights).sum(axis=1) / 2, self.hits[:, -1] * self.misses[:, -1])

    @property
    def average_precision(self) -> Floats:
        """Precision at each score, weighted by the rise of recall there; NaN without positive images."""
        precision = share(self.hits, self.hits + self.misses, 0.0)
        rise = np.diff(self.hits, axis=1, prepend=0.0)
        return share((rise * precision).sum(axis=1), self.hits[:, -1])

    def precision_at(self, recall: float) -> Floats:
        """Highest precision of a threshold that reaches ``recall``; NaN without positive images."""
        reached = self.hits >= recall * self.hits[:, -1:] - 1e-9
        best = np.where(reached, share(self.hits, self.hits + self.misses, 0.0), 0.0).max(axis=1)
        return np.where(self.hits[:, -1] > 0, best, np.nan)

    def specificity_at(self, sensitivity: Floats) -> Floats:
        """(R,) highest specificity of a threshold that reaches (R,) sensitivities; NaN if all are of one kind."""
        needed = sensitivity[:, None] * self.hits[:, -1:] - 1e-9
        # Calling nothing at all reaches a sensitivity of 0.
        hits, misses = (np.pad(counts, ((0, 0), (1, 0))) for counts in (self.hits, self.misses))
        fewest = np.where(hits >= needed, misses, np.inf).min(axis=1)
        return np.where(self.hits[:, -1] > 0, 1 - share(fewest, self.misses[:, -1]), np.nan)


def mean_of_numbers(values: Floats) -> Floats:
    """(R,) means over the entries of (R, K) that are numbers; NaN where there is none."""
    known = ~np.isnan(values)
    return share(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))


def ranked(scores: Floats, positive: Bools, weights: Floats) -> RankedCounts:
    """Counts down the ranking of the (N,) scores."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    sorted_weights = weights[:, order]
    hits = np.cumsum(sorted_weights * positive[order], axis=1)[:, last]
    return RankedCounts(hits, np.cumsum(sorted_weights, axis=1)[:, last] - hits)
