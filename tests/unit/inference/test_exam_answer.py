"""From scores of views to the answer of each breast and of the exam, and to lesions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dicomnode.bundles import Bundle, load_bundle
from dicomnode.bundles.metadata import Calibration
from dicomnode.dicom import codes
from dicomnode.findings import HeatMap, Presence
from dicomnode.inference.mammography.answer import SeenView, answer_of_exam
from dicomnode.inference.mammography.lesions import lesions_of
from dicomnode.inference.outcomes import one_line
from dicomnode.inference.predictor import Prediction
from dicomnode.study import SourceReference

SHAPE = (60, 40)


@pytest.fixture
def bundle(make_exam_bundle: Any) -> Bundle:
    return load_bundle(make_exam_bundle(weights=False))


def seen(name: str, malignant: float, *, benign: float = 0.1, spot: float = 0.0, spacing=None) -> SeenView:
    image = SourceReference("1.2.840.10008.5.1.4.1.1.1.2", f"1.2.{name}", "1.2")
    saliency = np.zeros((6, 4), np.float32)
    saliency[2, 1] = spot
    heat_map = HeatMap(image, saliency, (0.0, 0.0), (10.0, 10.0))
    return SeenView(image, name, SHAPE, spacing, np.array([benign, malignant]), heat_map)


EXAM = [seen("L-CC", 0.2), seen("R-CC", 0.9), seen("L-MLO", 0.4, benign=0.5), seen("R-MLO", 0.5)]


def answer(bundle: Bundle, views=EXAM):
    assert bundle.node.exam is not None
    return answer_of_exam(bundle.node, bundle.node.exam, views)


def lesions(bundle: Bundle, views, given=None):
    assert bundle.node.exam is not None
    return lesions_of(bundle.node, bundle.node.exam, given or answer(bundle, views), views, "seed")


def test_views_are_averaged_over_a_breast_and_the_higher_breast_answers(bundle: Bundle) -> None:
    said = answer(bundle)
    left, right = said.sides
    assert (left.laterality, right.laterality) == (codes.LEFT, codes.RIGHT)
    assert (left.score, right.score) == (pytest.approx(0.3), pytest.approx(0.7))
    assert (left.presence, right.presence, said.presence) == (Presence.ABSENT, Presence.PRESENT, Presence.PRESENT)
    assert said.score == right.score
    assert [image.sop_instance_uid for image in said.carried_by] == ["1.2.R-CC", "1.2.R-MLO"]
    assert [image.sop_instance_uid for image in left.carried_by] == ["1.2.L-MLO", "1.2.L-CC"]
    assert [item.concept.meaning for item in left.classes] == [
        "Malignant neoplasm of breast",
        "Benign neoplasm of breast",
    ]
    assert left.classes[1].score == pytest.approx(0.3)


def test_a_breast_is_answered_for_by_the_views_there_are(bundle: Bundle) -> None:
    said = answer(bundle, EXAM[1:2])
    [right] = said.sides
    assert (right.laterality, right.score) == (codes.RIGHT, pytest.approx(0.9))


def test_of_a_view_in_parts_the_highest_part_counts(bundle: Bundle) -> None:
    parts = [seen("L-CC", 0.1, benign=0.6), seen("L-CC", 0.9, benign=0.2), seen("L-MLO", 0.5, benign=0.2)]
    [left] = answer(bundle, parts).sides
    assert {item.concept.meaning.split()[0]: item.score for item in left.classes} == {
        "Malignant": pytest.approx(0.7),
        "Benign": pytest.approx(0.4),
    }


def test_another_class_may_answer(bundle: Bundle) -> None:
    assert bundle.node.exam is not None
    exam = replace(bundle.node.exam, study_class="benign")
    said = answer_of_exam(bundle.node, exam, EXAM)
    assert said.score == pytest.approx(0.3)
    assert said.presence is Presence.ABSENT


def test_log_odds_of_a_breast_are_divided_by_the_temperature(bundle: Bundle) -> None:
    node = replace(bundle.node, calibration=Calibration(temperature=2.0))
    assert node.exam is not None
    said = answer_of_exam(node, node.exam, EXAM)
    assert said.calibrated
    assert said.score == pytest.approx(1 / (1 + math.exp(-math.log(0.7 / 0.3) / 2)))
    certain = answer_of_exam(node, node.exam, [seen("L-CC", 1.0, benign=0.0)])
    assert 0 <= certain.classes[1].score < certain.score <= 1


def test_salient_regions_of_a_breast_that_reaches_the_operating_point_are_lesions(bundle: Bundle) -> None:
    views = [
        seen("L-CC", 0.1, spot=0.99),
        seen("R-CC", 0.9, spot=0.7, spacing=(0.1, 0.1)),
        seen("R-MLO", 0.5, spot=0.8),
    ]
    first, second = lesions(bundle, views)
    assert [item.label for item in (first, second)] == ["Lesion 1", "Lesion 2"]
    assert (first.score, second.score) == (pytest.approx(0.8), pytest.approx(0.7))
    assert first.laterality == second.laterality == codes.RIGHT
    assert first.site == codes.BREAST
    assert first.concept.meaning == "Malignant neoplasm of breast"
    assert first.mask is not None
    assert first.mask.pixels.shape == (1, *SHAPE)
    [box] = first.contours
    assert box.is_box
    rows, columns = np.nonzero(first.mask.pixels[0])
    assert box.points.min(axis=0).tolist() == [columns.min(), rows.min()]
    assert box.points.max(axis=0).tolist() == [columns.max() + 1, rows.max() + 1]
    assert (first.measurements, len(second.measurements)) == ((), 2)
    assert 0.5 < second.measurements[0].value < 1.5
    assert first.tracking_uid == lesions(bundle, views)[0].tracking_uid != second.tracking_uid


def test_without_a_threshold_there_are_no_lesions(bundle: Bundle) -> None:
    assert bundle.node.exam is not None
    node = replace(bundle.node, exam=replace(bundle.node.exam, lesion_threshold=None))
    views = [seen("L-CC", 0.9, spot=0.9)]
    assert node.exam is not None
    assert lesions_of(node, node.exam, answer(bundle, views), views, "seed") == ()


@pytest.mark.parametrize(
    ("views", "words"),
    [
        (
            EXAM,
            "malignant in the right breast, certainty left 0.30, right 0.70, 0 lesions, 4 images read",
        ),
        (
            [seen("L-CC", 0.8, spot=0.9), seen("R-CC", 0.9, spot=0.7)],
            "malignant in the left and right breast, certainty left 0.80, right 0.90, 2 lesions, 2 images read",
        ),
        (
            [seen("L-CC", 0.012)],
            "nothing found: certainty left 0.012, below the threshold 0.5, 1 image read",
        ),
    ],
)
def test_one_line_names_the_breasts(bundle: Bundle, views, words: str) -> None:
    said = answer(bundle, views)
    assert one_line(Prediction(said, lesions(bundle, views, said)), bundle, len(views)) == words
