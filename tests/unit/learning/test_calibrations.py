"""Temperature, calibration error and thresholds on cases whose answer is known."""

import numpy as np
import pytest
import torch

from dicomnode.learning.metrics.calibration import (
    expected_calibration_error,
    fit_temperature,
    threshold_for_f1,
    threshold_for_sensitivity,
)


def test_temperature_undoes_overconfidence() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 3, generator=random)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=random)[:, 0]

    assert fit_temperature(logits * 2.5, labels) == pytest.approx(2.5, rel=0.05)


def test_calibration_error_of_known_cases() -> None:
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    even = np.array([[0.75, 0.25]] * 4)

    assert expected_calibration_error(certain, np.array([0, 1])) == pytest.approx(0.5)
    assert expected_calibration_error(even, np.array([0, 0, 0, 1])) == pytest.approx(0.0)


def test_threshold_reaches_the_sensitivity_at_the_best_specificity() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.1])
    positive = np.array([True, True, True, True, False, False, False])

    assert threshold_for_sensitivity(scores, positive, 0.75) == pytest.approx((0.7 + 0.6) / 2)
    assert threshold_for_sensitivity(scores, positive, 1.0) == pytest.approx((0.2 + 0.1) / 2)


def test_threshold_of_the_highest_f1() -> None:
    scores = np.array([0.9, 0.5, 0.8, 0.3])
    hits = np.array([True, False, True, False])

    assert threshold_for_f1(scores, hits, 2) == pytest.approx((0.8 + 0.5) / 2)
    assert threshold_for_f1(np.array([]), np.array([], dtype=bool), 2) == 0.5
