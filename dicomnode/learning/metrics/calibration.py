"""Probabilities that mean what they say, and the threshold that goes with them; both fitted on validation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LEAST = 1e-12


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature of the lowest negative log likelihood (Guo et al., ICML 2017), found by golden section.

    Args:
        logits: (N, K).
        labels: (N,).
    """
    low, high, ratio = -3.0, 3.0, (5**0.5 - 1) / 2

    def loss(log_temperature: float) -> float:
        return functional.cross_entropy(logits.double() / np.exp(log_temperature), labels).item()

    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def log_odds(scores: Floats) -> Floats:
    """Of scores 0..1, kept finite."""
    kept = np.clip(scores, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(kept / (1 - kept)))


def cooled(scores: Floats, temperature: float) -> Floats:
    """Scores 0..1 that need not add up to 1, their log odds divided by the temperature."""
    return np.asarray(1 / (1 + np.exp(-log_odds(scores) / temperature)))


def expected_calibration_error(probabilities: Floats, labels: Ints, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy of the top class over equal-width bins, weighted by their size."""
    return float(calibration_errors(probabilities, labels, np.ones((1, len(labels))), bins)[0])


def score_bins(
    scores: Floats, right: npt.NDArray[np.bool_], bins: int = 15
) -> list[tuple[float, float, int, float, float]]:
    """Low and high edge, count, mean score and share that is right of each equal-width bin that holds anything.

    Args:
        scores: (N,) 0..1.
        right: (N,).
        bins: As many as the calibration error counts.
    """
    place = np.minimum((scores * bins).astype(np.int64), bins - 1)
    counts, sums, hits = (np.bincount(place, weights, bins) for weights in (None, scores, right))
    return [
        (index / bins, (index + 1) / bins, int(counts[index]), sums[index] / counts[index], hits[index] / counts[index])
        for index in np.flatnonzero(counts).tolist()
    ]


def calibration_errors(probabilities: Floats, labels: Ints, weights: Floats, bins: int = 15) -> Floats:
    """(R,) the same for each of (R, N) weightings of the images."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = weights @ (np.eye(bins)[place] * (confidence - right)[:, None])
    return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1))


def threshold_for_sensitivity(scores: Floats, positive: npt.NDArray[np.bool_], target: float) -> float:
    """The threshold of the highest specificity among those that reach ``target`` sensitivity.

    Of equally specific thresholds it is the lowest, set in the middle of the gap to the next lower score, so that it
    hangs on no single picture.

    Args:
        scores: (N,) of the positive class, 0..1.
        positive: (N,).
        target: 0..1.
    """
    candidates = np.unique(scores)
    sensitivity = np.array([(scores[positive] >= t).mean() for t in candidates])
    specificity = np.array([(scores[~positive] < t).mean() for t in candidates])
    specificity[sensitivity < target] = -1
    place = int(specificity.argmax())
    below = candidates[place - 1] if place else 0.0
    return float((candidates[place] + below) / 2)


def threshold_for_f1(scores: Floats, hits: npt.NDArray[np.bool_], lesions: int) -> float:
    """The box score of the highest F1.

    Args:
        scores: (N,) of all boxes found.
        hits: (N,) whether the box is on a lesion that no stronger box had claimed.
        lesions: Number of lesions there were.
    """
    if not len(scores):
        return 0.5
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(hits[order])
    f1 = 2 * found / (np.arange(1, len(order) + 1) + lesions)
    place = int(f1.argmax())
    ranked = scores[order]
    below = ranked[place + 1] if place + 1 < len(ranked) else 0.0
    return float((ranked[place] + below) / 2)
