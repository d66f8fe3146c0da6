"""Average precision against pycocotools, and FROC figures against cases worked out by hand."""

import contextlib
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dicomnode.errors import RecipeError
from dicomnode.learning.metrics.coco_precision import average_precision, match_boxes
from dicomnode.learning.metrics.detection_metrics import Boxes, detection_figures
from dicomnode.learning.metrics.froc import FROC_RATES, FoundBoxes
from dicomnode.learning.metrics.lesions import AGAIN, FALSE, Hit, Truth, claims_of, found_boxes

Found = dict[str, torch.Tensor]


def _case(images: int = 12, seed: int = 0) -> tuple[list[Truth], list[Found]]:
    """Images of none to three lesions of two kinds; boxes near them, off by some pixels, and stray ones."""
    random = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(images):
        count, stray = int(random.integers(0, 4)), int(random.integers(0, 4))
        corners = random.uniform(0, 200, (count, 2))
        boxes = np.hstack([corners, corners + random.uniform(20, 50, (count, 2))])
        labels = random.integers(0, 2, count)
        near = boxes + random.normal(0, 4, boxes.shape)
        strays = random.uniform(0, 200, (stray, 2))
        every = np.vstack([near, np.hstack([strays, strays + 30])])
        called = np.concatenate([labels, random.integers(0, 2, stray)]) + 1
        truths.append(Truth(torch.tensor(boxes).float().reshape(-1, 4), torch.tensor(labels)))
        scores = torch.tensor(random.uniform(0.05, 1, len(every))).float()
        found.append({"boxes": torch.tensor(every).float(), "labels": torch.tensor(called), "scores": scores})
    return truths, found


def _reference(truths: list[Truth], found: list[Found]) -> list[float]:
    """AP, AP50 and AP75 as pycocotools sums them up itself."""

    def xywh(box: list[float]) -> list[float]:
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    annotations: list[dict[str, Any]] = []
    for image, truth in enumerate(truths):
        for box, label in zip(truth.boxes.tolist(), truth.labels.tolist(), strict=True):
            entry = {"id": len(annotations) + 1, "image_id": image, "category_id": label + 1, "iscrowd": 0}
            annotations.append(entry | {"bbox": xywh(box), "area": xywh(box)[2] * xywh(box)[3]})
    results = [
        {"image_id": image, "category_id": label, "bbox": xywh(box), "score": score}
        for image, item in enumerate(found)
        for box, label, score in zip(
            item["boxes"].tolist(), item["labels"].tolist(), item["scores"].tolist(), strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": image} for image in range(len(truths))],
            "annotations": annotations,
            "categories": [{"id": c} for c in sorted({entry["category_id"] for entry in annotations})],
        }
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float(value) for value in run.stats[:3]]


def test_average_precision_is_that_of_pycocotools() -> None:
    for seed in range(3):
        truths, found = _case(seed=seed)
        measured = average_precision(truths, found)
        assert [measured.ap, measured.ap50, measured.ap75] == pytest.approx(_reference(truths, found), abs=1e-9)


def test_a_weighted_image_is_one_that_stands_there_so_often() -> None:
    truths, found = _case(seed=4)
    weights = np.random.default_rng(1).integers(0, 4, (3, len(truths))).astype(np.float64)
    values = match_boxes(truths, found).precisions(weights)

    for row, given in enumerate(weights):
        drawn = np.repeat(np.arange(len(truths)), given.astype(int))
        expected = _reference([truths[i] for i in drawn], [found[i] for i in drawn])
        assert [values[name][row] for name in ("ap", "ap50", "ap75")] == pytest.approx(expected, abs=1e-9)


def test_without_lesions_nothing_is_defined() -> None:
    truths = [Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))] * 2
    found = [{"boxes": torch.ones(1, 4), "labels": torch.ones(1, dtype=torch.int64), "scores": torch.ones(1)}] * 2
    figures = detection_figures(Boxes(truths, found, ("a", "b"), 0.5), ["lesion"], seed=0)

    assert math.isnan(figures.ap50) and math.isnan(figures.cpm) and math.isnan(figures.sensitivity)
    assert figures.false_positives_per_image == 1 and math.isnan(figures.classes["lesion"].ap)


# Four images; lesions in the first three. Down the ranking: hit, false, false, hit, six false, hit.
RANKING = FoundBoxes.ranked(
    [0.95, 0.9, 0.85, 0.8, *np.linspace(0.7, 0.6, 6).tolist(), 0.5],
    [True, False, False, True, *[False] * 6, True],
    [0, 0, 1, 1, 3, 3, 3, 3, 2, 2, 2],
    [1, 1, 1, 0],
)
ONCE = np.ones((1, 4))


def test_sensitivity_at_the_seven_rates_by_hand() -> None:
    """Rates 1/8 and 1/4 allow no false box or one, 1/2 and 1 two to four, 2 and more all eight."""
    found = RANKING.sensitivities(list(FROC_RATES.values()), ONCE)[:, 0]

    assert found == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1])
    share, false = RANKING.curve()
    assert (share[-1], false[-1], share[0], false[0]) == (1, 2, 0, 0)
    assert [value.tolist() for value in RANKING.above(0.8, ONCE)] == [[2 / 3], [0.5]]
    # The first image alone, twice: one lesion, found before one false box an image.
    assert RANKING.sensitivities([0.0, 1.0], np.array([[2.0, 0, 0, 0]])).tolist() == [[1.0], [1.0]]


def test_the_figures_hold_the_mean_of_the_seven() -> None:
    truths, found = _case(seed=2)
    figures = detection_figures(Boxes(truths, found, tuple("aabbccddeeff"), 0.4), ["a", "b"], seed=0)

    points = [point.sensitivity for point in figures.froc.values()]
    assert list(figures.froc) == list(FROC_RATES) and points == sorted(points)
    assert figures.cpm == pytest.approx(sum(points) / 7)
    assert figures.sensitivity_at_1_false_positive == figures.froc["1"].sensitivity
    low, high = figures.intervals["cpm"]
    assert low < figures.cpm < high and figures.resampled == "patient"
    assert "IoU of 0.5" in figures.hit


def test_equal_scores_are_one_step_of_the_curve() -> None:
    ranking = FoundBoxes.ranked([0.9, 0.9, 0.9], [True, False, False], [0, 0, 1], [1, 0])

    assert [values.tolist() for values in ranking.curve()] == [[0, 1], [0, 1]]
    assert ranking.sensitivities([0.5, 1.0], np.ones((1, 2))).tolist() == [[0], [1]]


TRUTH = Truth(torch.tensor([[0.0, 0, 40, 40]]), torch.tensor([0]))


def _boxes(boxes: list[list[float]]) -> Found:
    scores = torch.linspace(0.9, 0.5, len(boxes))
    return {"boxes": torch.tensor(boxes), "labels": torch.ones(len(boxes), dtype=torch.int64), "scores": scores}


def test_a_small_box_in_the_lesion_hits_by_its_centre_only() -> None:
    found = _boxes([[10.0, 10, 20, 20], [2.0, 2, 40, 40], [35.0, 35, 60, 60]])

    assert claims_of(TRUTH, found, Hit.read("centre"))[1] == [0, AGAIN, FALSE]
    assert claims_of(TRUTH, found, Hit.read("iou=0.5"))[1] == [FALSE, 0, FALSE]
    assert claims_of(TRUTH, found, Hit.read("iou=0.95"))[1] == [FALSE] * 3
    by_centre = found_boxes([TRUTH], [found], Hit(None))
    assert by_centre.hits.tolist() == [True, False]  # the second box counts neither way


@pytest.mark.parametrize("text", ["iou", "iou=0", "iou=1.5", "center", "iou=half", ""])
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="give centre, or iou="):
        Hit.read(text)
