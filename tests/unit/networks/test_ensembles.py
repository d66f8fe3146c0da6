"""Several networks that answer together."""

import pytest
import torch
from torch import nn

from dicomnode.networks import ClassifierEnsemble, DetectorEnsemble


class Says(nn.Module):
    """Gives the same answer to every image."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return (
            self.answer.expand(len(images), -1)
            if isinstance(self.answer, torch.Tensor)
            else [self.answer] * len(images)
        )


def detections(*lesions):
    """From (box, label, score) triples, the strongest first."""
    boxes = torch.tensor([box for box, _, _ in lesions], dtype=torch.float32).reshape(-1, 4)
    masks = torch.zeros(len(lesions), 1, 32, 32)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[0, top:bottom, left:right] = 1.0
    labels = torch.tensor([label for _, label, _ in lesions], dtype=torch.int64)
    return {
        "boxes": boxes,
        "labels": labels,
        "scores": torch.tensor([score for _, _, score in lesions]),
        "masks": masks,
    }


def fused(*answers, **options):
    ensemble = DetectorEnsemble(members=[Says(answer) for answer in answers], **options).eval()
    (answer,) = ensemble([torch.zeros(1, 32, 32)])
    return answer


def test_classifiers_answer_with_the_mean_of_their_logits():
    ensemble = ClassifierEnsemble(members=[Says(torch.tensor([[1.0, 0.0]])), Says(torch.tensor([[0.0, 4.0]]))])
    assert ensemble(torch.zeros(3, 1, 8, 8)).tolist() == [[0.5, 2.0]] * 3


def test_boxes_that_agree_become_one_in_their_weighted_mean():
    answer = fused(detections(([0, 0, 10, 10], 1, 0.9)), detections(([0, 0, 10, 12], 1, 0.3)))
    assert answer["boxes"].tolist() == [pytest.approx([0, 0, 10, 10.5])]
    assert answer["scores"].tolist() == [pytest.approx(0.6)]
    assert answer["masks"][0, 0, 9, 5] == pytest.approx(1.0) and answer["masks"][0, 0, 11, 5] == pytest.approx(0.25)


def test_a_box_that_one_member_saw_loses_score():
    answer = fused(detections(([0, 0, 10, 10], 1, 0.8)), detections())
    assert answer["scores"].tolist() == [pytest.approx(0.4)] and answer["boxes"].tolist() == [[0, 0, 10, 10]]


@pytest.mark.parametrize("other", [([20, 20, 30, 30], 1, 0.8), ([0, 0, 10, 10], 2, 0.8)], ids=["place", "class"])
def test_boxes_of_another_place_or_class_stay_apart(other):
    assert len(fused(detections(([0, 0, 10, 10], 1, 0.9)), detections(other))["scores"]) == 2


def test_two_boxes_of_one_member_are_never_one_lesion():
    answer = fused(detections(([0, 0, 10, 10], 1, 0.9), ([0, 0, 10, 11], 1, 0.5)), detections(([0, 0, 10, 10], 1, 0.7)))
    assert answer["scores"].tolist() == pytest.approx([0.8, 0.25])


def test_nothing_seen_is_an_empty_answer():
    answer = fused(detections(), detections())
    assert answer["boxes"].shape == (0, 4) and answer["masks"].shape == (0, 1, 32, 32)


def test_weak_and_surplus_boxes_are_left_out():
    many = detections(*[([3 * n, 0, 3 * n + 2, 2], 1, 0.9 - 0.1 * n) for n in range(6)])
    assert len(fused(many, detections(), min_score=0.3)["scores"]) == 4
    assert len(fused(many, detections(), max_detections=2)["scores"]) == 2


def test_a_detector_ensemble_is_not_trained():
    ensemble = DetectorEnsemble(members=[Says(detections())])
    with pytest.raises(ValueError, match="put together"):
        ensemble([torch.zeros(1, 32, 32)], [{}])
