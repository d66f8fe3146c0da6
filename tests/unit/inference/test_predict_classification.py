"""From class scores of slices to the study's answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicomnode.bundles import Aggregation, NodeMetadata, load_bundle
from dicomnode.findings import Code, Presence
from dicomnode.inference.classification import answer_of_classes
from dicomnode.study import SourceReference


def image(index: int) -> SourceReference:
    return SourceReference("1.2.840.10008.5.1.4.1.1.4", f"1.2.{index}", "1.2")


@pytest.fixture
def node(make_bundle: Any) -> NodeMetadata:
    path: Path = make_bundle(weights=False)
    return load_bundle(path).node


def scores(*findings: float) -> list[np.ndarray]:
    return [np.array([value, 1 - value]) for value in findings]


def test_the_strongest_slices_answer(node: NodeMetadata) -> None:
    answer = answer_of_classes(node, [image(i) for i in range(5)], scores(0.1, 0.9, 0.2, 0.8, 0.7))
    assert answer.score == pytest.approx(0.8)
    assert answer.presence is Presence.PRESENT
    assert [item.sop_instance_uid for item in answer.carried_by] == ["1.2.1", "1.2.3", "1.2.4"]
    assert answer.calibrated
    assert answer.threshold == 0.5
    assert answer.method == "Mean of 3."
    assert [(item.concept.meaning, round(item.score, 6)) for item in answer.classes] == [
        ("Neoplasm of brain", 0.8),
        ("Normal", 0.2),
    ]


@pytest.mark.parametrize(("value", "presence"), [(0.49, Presence.ABSENT), (0.5, Presence.PRESENT)])
def test_the_threshold_itself_says_present(node: NodeMetadata, value: float, presence: Presence) -> None:
    assert answer_of_classes(node, [image(0)], scores(value)).presence is presence


def test_fewer_slices_than_k_all_answer(node: NodeMetadata) -> None:
    answer = answer_of_classes(node, [image(0), image(1)], scores(0.0, 1.0))
    assert answer.score == pytest.approx(0.5)
    assert len(answer.carried_by) == 2


def test_maximum_takes_one_slice(node: NodeMetadata) -> None:
    node = replace(node, aggregation=Aggregation("Highest.", method="maximum", k=3), calibration=None)
    answer = answer_of_classes(node, [image(0), image(1)], scores(0.3, 0.6))
    assert answer.score == pytest.approx(0.6)
    assert [item.sop_instance_uid for item in answer.carried_by] == ["1.2.1"]
    assert not answer.calibrated


def test_the_score_is_what_all_harmless_classes_leave(node: NodeMetadata) -> None:
    other = replace(node.classes[1], name="harmless", code=Code("1", "99T", "Harmless"))
    node = replace(node, classes=(*node.classes, other))
    answer = answer_of_classes(node, [image(0)], [np.array([0.35, 0.25, 0.4])])
    assert answer.score == pytest.approx(0.35)
    assert answer.classes[0].concept == other.code
