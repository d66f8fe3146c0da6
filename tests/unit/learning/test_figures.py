"""Figures of evaluation on cases whose answer is known."""

import math

import numpy as np
import pytest
import torch

from dicomnode.learning.metrics.classification_metrics import Predictions, classification_figures
from dicomnode.learning.metrics.coco_precision import average_precision
from dicomnode.learning.metrics.detection_metrics import Boxes, detection_figures
from dicomnode.learning.metrics.lesions import Truth, found_boxes


def _predictions(groups: tuple[str, ...] = ("a", "b", "c", "d")) -> Predictions:
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]])
    return Predictions(probabilities, np.array([0, 0, 1, 1]), groups, negative=(1,), threshold=0.35)


def test_classification_figures() -> None:
    figures = classification_figures(_predictions(), ["tumour", "none"], seed=0)

    assert figures.accuracy == 0.75
    assert figures.confusion == [[1, 1], [0, 2]]
    assert figures.classes["tumour"].recall == 0.5 and figures.classes["tumour"].precision == 1.0
    assert figures.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2) == pytest.approx(figures.weighted_f1)
    assert (figures.sensitivity, figures.specificity) == (0.5, 0.5)
    assert figures.auc == 0.75
    low, high = figures.intervals["accuracy"]
    assert 0 <= low < 0.75 < high <= 1


@pytest.mark.parametrize(("groups", "by"), [(("a", "a", "b", "b"), "patient"), (("a", "b", "c", "d"), "image")])
def test_images_of_a_patient_are_resampled_together(groups: tuple[str, ...], by: str) -> None:
    assert classification_figures(_predictions(groups), ["tumour", "none"], seed=0).resampled == by


def test_figures_of_one_kind_only_are_undefined() -> None:
    figures = classification_figures(_predictions().subset([0, 1]), ["tumour", "none"], seed=0)

    assert math.isnan(figures.specificity) and math.isnan(figures.auc)


def test_several_classes_may_mean_no_finding() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.4, 0.45, 0.15], [0.5, 0.1, 0.4]])
    predictions = Predictions(probabilities, np.array([0, 2, 1, 2]), ("a", "b", "c", "d"), (0, 1), threshold=0.4)

    assert predictions.scores == pytest.approx([0.1, 0.7, 0.15, 0.4])
    assert predictions.positive.tolist() == [False, True, False, True]
    figures = classification_figures(predictions, ["old", "ripe", "immature"], seed=0)
    assert (figures.sensitivity, figures.specificity, figures.auc) == (1, 1, 1)


TRUTHS = [
    Truth(torch.tensor([[10.0, 10, 30, 30]]), torch.tensor([0])),
    Truth(torch.tensor([[20.0, 20, 60, 60]]), torch.tensor([1])),
]


def _found(boxes: list[list[float]], labels: list[int], scores: list[float]) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "scores": torch.tensor(scores),
    }


EACH_ONCE = np.ones((1, 2))
PERFECT = [_found([[10.0, 10, 30, 30]], [1], [0.9]), _found([[20.0, 20, 60, 60]], [2], [0.8])]


def test_perfect_boxes_score_one() -> None:
    figures = detection_figures(Boxes(TRUTHS, PERFECT, ("a", "b"), 0.5), ["small", "large"], seed=0)

    assert (figures.ap50, figures.ap, figures.ap50_any_class) == pytest.approx((1, 1, 1))
    assert (figures.sensitivity, figures.false_positives_per_image) == (1, 0)
    assert figures.classes["large"].lesions == 1
    # Half of the draws miss one of the two images, and with it one class.
    assert figures.classes["large"].intervals["ap50"] == pytest.approx((1, 1)) == figures.intervals["ap75"]


def test_a_wrong_label_counts_only_without_classes() -> None:
    swapped = [PERFECT[0], _found([[20.0, 20, 60, 60]], [1], [0.8])]

    assert average_precision(TRUTHS, swapped).by_class[1] == (0.0, 0.0)
    assert average_precision(TRUTHS, swapped, class_agnostic=True).ap50 == pytest.approx(1)


def test_nothing_found_scores_zero() -> None:
    nothing = [_found([], [], [])] * 2

    assert average_precision(TRUTHS, nothing).ap50 == 0
    assert found_boxes(TRUTHS, nothing).sensitivities([1.0], EACH_ONCE).tolist() == [[0]]
    figures = detection_figures(Boxes(TRUTHS, nothing, ("a", "b"), 0.5), ["small", "large"], seed=0)
    assert (figures.ap50, figures.ap50_any_class, figures.cpm, figures.classes["small"].ap) == (0, 0, 0, 0)


def test_a_lesion_is_claimed_once_by_the_strongest_box() -> None:
    twice = _found([[10.0, 10, 30, 31], [10.0, 10, 30, 30], [40.0, 40, 50, 50]], [1, 1, 2], [0.6, 0.9, 0.7])

    boxes = found_boxes(TRUTHS[:1], [twice])

    assert boxes.scores.round(1).tolist() == [0.9, 0.7, 0.6]
    assert boxes.hits.tolist() == [True, False, False] and boxes.lesions.tolist() == [1]
