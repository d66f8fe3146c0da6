"""Readers, model and hybrid: scikit-learn's areas, and a case worked out by hand."""

import math

import numpy as np
import pytest
from sklearn import metrics

from dicomnode.learning.metrics.hybrid import ReaderStudy, best_weight, hybrid_figures
from dicomnode.learning.metrics.weighted_figures import ranked
from dicomnode.learning.report.reader_plots import mean_roc


def simulated_study(cases: int = 200, readers: int = 3, seed: int = 0) -> ReaderStudy:
    """Readers and a model that see different signs of the same disease; the last reader skips every fourth case."""
    random = np.random.default_rng(seed)
    positive = random.uniform(size=cases) < 0.2

    def seen(skill: float) -> np.ndarray:
        return 1 / (1 + np.exp(3 - skill * positive - random.normal(0, 1.5, cases)))

    readings = np.stack([seen(2.0) for _ in range(readers)]).round(2)
    readings[-1, ::4] = np.nan
    groups = tuple(f"patient {number // 2}" for number in range(cases))
    return ReaderStudy(tuple(f"r{n}" for n in range(readers)), readings, seen(2.5), positive, groups, 0.1)


def test_areas_and_specificities_are_means_over_readers() -> None:
    study = simulated_study()
    figures = hybrid_figures(study, 0.5, seed=0)

    expected: dict[str, list[float]] = {name: [] for name in ("readers", "model", "hybrid", "ap", "sensitivity")}
    for readings in study.readings:
        read = ~np.isnan(readings)
        truth, both = study.positive[read], 0.5 * readings[read] + 0.5 * study.model[read]
        expected["readers"].append(metrics.roc_auc_score(truth, readings[read]))
        expected["model"].append(metrics.roc_auc_score(truth, study.model[read]))
        expected["hybrid"].append(metrics.roc_auc_score(truth, both))
        expected["ap"].append(metrics.average_precision_score(truth, both))
        expected["sensitivity"].append(float((readings[read] > 0.1)[truth].mean()))
    for who in ("readers", "model", "hybrid"):
        assert getattr(figures, who).auc == pytest.approx(np.mean(expected[who])), who
    assert figures.hybrid.pr_auc == pytest.approx(np.mean(expected["ap"]))
    assert figures.sensitivity == pytest.approx(np.mean(expected["sensitivity"]))

    specificities = []
    for readings in study.readings:
        read = ~np.isnan(readings)
        false, true, _ = metrics.roc_curve(
            study.positive[read], 0.5 * readings[read] + 0.5 * study.model[read], drop_intermediate=False
        )
        specificities.append(1 - false[true >= figures.sensitivity].min())
    assert figures.hybrid.specificity == pytest.approx(np.mean(specificities))
    assert figures.hybrid.auc > max(figures.readers.auc, figures.model.auc)
    low, high = figures.hybrid.intervals["auc"]
    assert low < figures.hybrid.auc < high and figures.resampled == "patient"
    assert (figures.by_reader["r0"].cases, figures.by_reader["r2"].cases) == (200, 150)
    assert mean_roc(study, study.readings)[[0, -1]].tolist() == [pytest.approx(0.0, abs=0.2), 1.0]


def test_a_study_by_hand() -> None:
    """Two cancers, four healthy: the reader calls one cancer and one healthy case, the model ranks all rightly."""
    study = ReaderStudy(
        ("a",),
        np.array([[0.8, 0.0, 0.5, 0.0, 0.0, 0.0]]),
        np.array([0.9, 0.7, 0.6, 0.1, 0.2, 0.3]),
        np.array([True, True, False, False, False, False]),
        tuple("abcdef"),
        recall_above=0.02,
    )
    figures = hybrid_figures(study, 0.5, seed=0)

    assert (figures.cases, figures.positive, figures.sensitivity) == (6, 2, 0.5)
    assert (figures.readers.auc, figures.readers.specificity) == (5.5 / 8, 0.75)
    assert (figures.model.auc, figures.model.specificity) == (1.0, 1.0)
    # Hybrids: 0.85, 0.35; 0.55, 0.05, 0.1, 0.15.
    assert (figures.hybrid.auc, figures.hybrid.specificity) == (7 / 8, 1.0)
    assert figures.hybrid.pr_auc == pytest.approx((1 + 2 / 3) / 2)
    # With less than a sixth of the reader the false alarm stays below the second cancer.
    assert best_weight(study) == 0.15
    assert figures.resampled == "case"


def test_lambda_one_is_the_reader_and_zero_the_model() -> None:
    study = simulated_study(seed=1)

    assert hybrid_figures(study, 1.0, seed=0).hybrid.auc == hybrid_figures(study, 1.0, seed=0).readers.auc
    assert hybrid_figures(study, 0.0, seed=0).hybrid.pr_auc == hybrid_figures(study, 0.0, seed=0).model.pr_auc


def test_equals_leave_the_weight_in_the_middle() -> None:
    study = ReaderStudy(("a",), np.array([[0.9, 0.1]]), np.array([0.8, 0.2]), np.array([True, False]), ("a", "b"), 0.02)

    assert best_weight(study) == 0.5


def test_specificity_at_a_sensitivity_that_only_calling_all_reaches() -> None:
    scores, positive = np.array([0.9, 0.5, 0.1]), np.array([True, False, True])
    ranking = ranked(scores, positive, np.ones((3, 3)))

    assert ranking.specificity_at(np.array([0.0, 0.5, 0.6])).tolist() == [1, 1, 0]
    only_healthy = ranked(scores, np.zeros(3, dtype=bool), np.ones((1, 3)))
    assert math.isnan(only_healthy.specificity_at(np.array([0.5]))[0])
