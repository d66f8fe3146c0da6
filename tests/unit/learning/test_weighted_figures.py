"""The vectorised figures give scikit-learn's values, weighted or not, and say so where none is defined."""

import math

import numpy as np
import pytest
from sklearn import metrics

from dicomnode.learning.metrics.calibration import Floats, calibration_errors, expected_calibration_error
from dicomnode.learning.metrics.classification_metrics import (
    Predictions,
    classification_figures,
    classification_subgroup,
)
from dicomnode.learning.metrics.resampling import bootstrap, resampled_weights
from dicomnode.learning.metrics.weighted_figures import ranked

NAMES = ["glioma", "none", "pituitary"]


def _predictions(images: int = 120, seed: int = 0, classes: int = 3) -> Predictions:
    """Answers that are often right, in steps of 0.05 so that scores tie, five images to a patient."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=images)
    scores = random.uniform(0, 1, (images, 3)) + np.eye(3)[labels] * 0.6
    steps = np.round(scores / scores.sum(axis=1, keepdims=True) * 20)
    probabilities = steps / steps.sum(axis=1, keepdims=True)
    groups = tuple(f"patient {index // 5}" for index in range(images))
    return Predictions(probabilities, labels, groups, negative=(1,), threshold=0.55, recall=0.8)


@pytest.mark.parametrize("classes", [3, 2])
def test_figures_are_those_of_scikit_learn(classes: int) -> None:
    """With two of three classes the third has no image."""
    case = _predictions(classes=classes)
    figures = classification_figures(case, NAMES, seed=0)

    for average in ("macro", "weighted"):
        expected = metrics.precision_recall_fscore_support(
            case.labels, case.predicted, labels=[0, 1, 2], average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert getattr(figures, f"{average}_{name}") == pytest.approx(value), (average, name)
    called = case.scores >= case.threshold
    precision, recall, _ = metrics.precision_recall_curve(case.positive, case.scores)
    expected_figures = {
        "accuracy": metrics.accuracy_score(case.labels, case.predicted),
        "sensitivity": metrics.recall_score(case.positive, called),
        "specificity": metrics.recall_score(~case.positive, ~called),
        "ppv": metrics.precision_score(case.positive, called),
        "npv": metrics.precision_score(~case.positive, ~called),
        "binary_accuracy": metrics.accuracy_score(case.positive, called),
        "auc": metrics.roc_auc_score(case.positive, case.scores),
        "pr_auc": metrics.average_precision_score(case.positive, case.scores),
        "precision_at_recall": precision[recall >= 0.8].max(),
    }
    for name, value in expected_figures.items():
        assert getattr(figures, name) == pytest.approx(value), name
    for index, name in enumerate(NAMES[:classes]):
        own, score = case.labels == index, case.probabilities[:, index]
        assert figures.classes[name].auc == pytest.approx(metrics.roc_auc_score(own, score))
        assert figures.classes[name].pr_auc == pytest.approx(metrics.average_precision_score(own, score))
    assert figures.confusion == metrics.confusion_matrix(case.labels, case.predicted, labels=[0, 1, 2]).tolist()


def test_balanced_accuracy_leaves_out_a_class_without_images() -> None:
    case = _predictions(classes=2)
    figures = classification_figures(case, NAMES, seed=0)

    recalls = metrics.recall_score(case.labels, case.predicted, labels=[0, 1], average=None)
    assert figures.balanced_accuracy == pytest.approx(recalls.mean())
    assert figures.classes["pituitary"].images == 0 and math.isnan(figures.classes["pituitary"].auc)
    assert figures.macro_auc == pytest.approx((figures.classes["glioma"].auc + figures.classes["none"].auc) / 2)


def test_misses_and_false_alarms_as_shares_of_all_images() -> None:
    """Two findings of which one is missed, three images without one of which one is an alarm."""
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9], [0.1, 0.9]])
    case = Predictions(probabilities, np.array([0, 0, 1, 1, 1]), tuple("abcde"), (1,), 0.5)
    figures = classification_figures(case, ["finding", "none"], seed=0)

    assert figures.operating_counts == {
        "true_positives": 1,
        "false_negatives": 1,
        "false_positives": 1,
        "true_negatives": 2,
    }
    assert (figures.fnr, figures.fpr) == pytest.approx((1 / 2, 1 / 3))
    assert (figures.fn_percent_of_images, figures.fp_percent_of_images) == pytest.approx((20, 20))
    assert figures.recall_target is None and math.isnan(figures.precision_at_recall)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_weight_counts_an_image_so_often(seed: int) -> None:
    case = _predictions(seed=seed)
    weights = np.random.default_rng(seed).integers(0, 4, size=(2, len(case.labels))).astype(np.float64)
    ranking = ranked(case.scores, case.positive, weights)

    for row, given in enumerate(weights):
        assert ranking.auc[row] == pytest.approx(metrics.roc_auc_score(case.positive, case.scores, sample_weight=given))
        assert ranking.average_precision[row] == pytest.approx(
            metrics.average_precision_score(case.positive, case.scores, sample_weight=given)
        )
        repeated = np.repeat(np.arange(len(given)), given.astype(int))
        assert calibration_errors(case.probabilities, case.labels, weights)[row] == pytest.approx(
            expected_calibration_error(case.probabilities[repeated], case.labels[repeated])
        )


def test_intervals_repeat_what_drawing_one_by_one_gives() -> None:
    case = _predictions()
    members = [list(range(start, start + 5)) for start in range(0, 120, 5)]
    random = np.random.default_rng(7)
    drawn = []
    for _ in range(1000):
        chosen = [index for place in random.integers(len(members), size=len(members)) for index in members[place]]
        drawn.append(float((case.predicted == case.labels)[chosen].mean()))

    figures = classification_figures(case, NAMES, seed=7)
    assert figures.intervals["accuracy"] == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))
    assert figures.resampled == "patient"


def test_images_of_one_patient_are_drawn_together() -> None:
    (weights,) = resampled_weights(("a", "a", "b", "c"), 50, seed=0)

    assert weights.shape == (50, 4) and (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 1:].sum(axis=1) == 3).all()


def test_blocks_of_weights_do_not_change_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(30.0)

    def mean(weights: Floats) -> dict[str, Floats]:
        return {"mean": weights @ values / weights.sum(axis=1)}

    groups = tuple(map(str, range(30)))
    whole = bootstrap(groups, mean, 100, seed=0)
    monkeypatch.setattr("dicomnode.learning.metrics.resampling._BLOCK", 200)
    assert len(list(resampled_weights(groups, 100, seed=0))) == 17
    assert bootstrap(groups, mean, 100, seed=0) == whole


def test_one_patient_gives_no_interval() -> None:
    case = _predictions(images=5)

    assert all(
        math.isnan(bound) for bounds in classification_figures(case, NAMES, 0).intervals.values() for bound in bounds
    )


def test_all_right_is_one() -> None:
    labels = np.array([0, 1, 2] * 4)
    case = Predictions(np.eye(3)[labels], labels, tuple(map(str, labels)), (1,), 0.5, recall=1.0)
    figures = classification_figures(case, NAMES, seed=0)

    for name in (
        "accuracy",
        "macro_f1",
        "sensitivity",
        "specificity",
        "auc",
        "pr_auc",
        "macro_auc",
        "precision_at_recall",
    ):
        assert getattr(figures, name) == 1, name
    assert figures.ece == figures.fnr == figures.fp_percent_of_images == 0


def test_a_subgroup_has_the_figures_of_its_rows() -> None:
    case = _predictions().subset(range(40, 90))
    part, whole = classification_subgroup(case, seed=0), classification_figures(case, NAMES, seed=0)

    assert part.images == 50
    for name in ("accuracy", "sensitivity", "specificity", "auc"):
        assert getattr(part, name) == getattr(whole, name)
        assert part.intervals[name] == whole.intervals[name]
