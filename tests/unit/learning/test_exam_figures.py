"""Figures of exams: scikit-learn's values per breast and per exam, and intervals over patients."""

import math

import numpy as np
import pytest
from sklearn import metrics

from dicomnode.learning.metrics.exam_metrics import BreastScores, exam_figures

NAMES = ["benign", "malignant"]


def _breasts(exams: int = 60, seed: int = 0) -> BreastScores:
    """Exams of two breasts, two to a patient; of every tenth the right breast is missing."""
    random = np.random.default_rng(seed)
    rows = [(number, side) for number in range(exams) for side in "LR" if side == "L" or number % 10]
    truths = random.uniform(size=(len(rows), 2)) < (0.3, 0.15)
    scores = np.clip(random.uniform(size=truths.shape).round(2) * 0.7 + 0.25 * truths, 0, 1)
    return BreastScores(
        scores,
        truths,
        tuple(f"exam {number}" for number, _ in rows),
        tuple(side for _, side in rows),
        tuple(f"patient {number // 2}" for number, _ in rows),
        findings=(1,),
        threshold=0.5,
    )


def test_areas_are_those_of_scikit_learn() -> None:
    case = _breasts()
    figures = exam_figures(case, NAMES, seed=0)
    assert (figures.exams, figures.breasts, figures.resampled) == (60, 114, "patient")

    for k, name in enumerate(NAMES):
        own = figures.classes[name]
        by_exam = {exam: [0.0, False] for exam in case.exams}
        for exam, score, truth in zip(case.exams, case.scores[:, k], case.truths[:, k], strict=True):
            by_exam[exam] = [max(by_exam[exam][0], score), by_exam[exam][1] or bool(truth)]
        scores, truths = zip(*by_exam.values(), strict=True)
        assert own.breast_auc == pytest.approx(metrics.roc_auc_score(case.truths[:, k], case.scores[:, k]))
        assert own.breast_pr_auc == pytest.approx(metrics.average_precision_score(case.truths[:, k], case.scores[:, k]))
        assert own.exam_auc == pytest.approx(metrics.roc_auc_score(truths, scores))
        assert own.exam_pr_auc == pytest.approx(metrics.average_precision_score(truths, scores))
        assert (own.breasts, own.exams) == (case.truths[:, k].sum(), sum(truths))
        low, high = own.intervals["breast_auc"]
        assert low < own.breast_auc < high
    assert figures.breast_auc == figures.classes["malignant"].breast_auc
    assert figures.exam_pr_auc == figures.classes["malignant"].exam_pr_auc


def test_rates_by_hand() -> None:
    """A cancer found on the left, one missed on the right, an exam without any with a false alarm, and one without."""
    case = BreastScores(
        scores=np.array([[0.1, 0.9], [0.0, 0.2], [0.2, 0.6], [0.3, 0.1], [0.9, 0.4], [0.1, 0.3]]),
        truths=np.array([[0, 1], [0, 1], [0, 0], [0, 0], [1, 0], [0, 0]], dtype=bool),
        exams=("a", "a", "b", "b", "c", "c"),
        sides=("L", "R") * 3,
        groups=("a", "a", "b", "b", "c", "c"),
        findings=(1,),
        threshold=0.5,
    )
    figures = exam_figures(case, NAMES, seed=0)

    assert (figures.sensitivity, figures.specificity) == (0.5, 0.75)
    assert (figures.exam_sensitivity, figures.exam_specificity) == (1.0, 0.5)
    assert figures.operating_counts["false_negatives"] == 1
    assert figures.breast_auc == 5 / 8 and figures.exam_auc == 1
    assert figures.classes["benign"].exams == 1 and figures.resampled == "exam"


def test_the_intervals_repeat_what_drawing_patients_one_by_one_gives() -> None:
    case = _breasts(exams=20, seed=3)
    patients = list(dict.fromkeys(case.groups))
    members = [[row for row, group in enumerate(case.groups) if group == patient] for patient in patients]
    random = np.random.default_rng(5)
    drawn = []
    for _ in range(1000):
        rows = [row for place in random.integers(len(members), size=len(members)) for row in members[place]]
        truths = case.truths[rows, 1]
        drawn.append(metrics.roc_auc_score(truths, case.scores[rows, 1]) if 0 < truths.sum() < len(rows) else math.nan)

    figures = exam_figures(case, NAMES, seed=5)
    assert figures.intervals["breast_auc"] == pytest.approx(tuple(np.nanpercentile(drawn, [2.5, 97.5])))


def test_a_subset_without_cancer_has_no_area() -> None:
    case = _breasts()
    healthy = case.subset([row for row in range(len(case.exams)) if not case.truths[row, 1]])
    figures = exam_figures(healthy, NAMES, seed=0)

    assert math.isnan(figures.breast_auc) and math.isnan(figures.sensitivity)
    assert figures.specificity > 0 and set(figures.classes) == set(NAMES)
