"""Dice of the masks of lesions found, by hand and through a network that draws what it is told."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.shapes import Outline
from dicomnode.learning.data.store import ImageStore
from dicomnode.learning.engine.detection import truths_of
from dicomnode.learning.engine.mask_agreement import dice, predict_lesions
from dicomnode.learning.metrics.detection_metrics import Boxes, detection_figures
from dicomnode.learning.metrics.lesions import AT_HALF

SQUARE = Outline((((10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)),))


class _Drawn(nn.Module):
    """Answers every image with a box of 0.9 on a lesion, drawn half as wide, and a sure but small one beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images: Sequence[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        masks = torch.zeros(2, 1, *images[0].shape[-2:])
        masks[0, 0, 10:30, 10:20] = 0.7
        masks[1, 0, 50:60, 50:60] = 0.7
        boxes = torch.tensor([[10.0, 10, 30, 30], [50.0, 50, 60, 60]])
        answer = {"boxes": boxes, "labels": torch.ones(2, dtype=torch.int64), "scores": torch.tensor([0.9, 0.95])}
        return [answer | {"masks": masks} for _ in images]


def _store(*shapes: Outline | None) -> ImageStore:
    samples = tuple(
        Sample(str(n), Path("x"), "test", 0, boxes=((10.0, 10.0, 30.0, 30.0),), box_labels=(0,), shapes=(shape,))
        for n, shape in enumerate(shapes)
    )
    count = len(shapes)
    return ImageStore(
        samples, torch.zeros(count, 1, 64, 64), torch.eye(4).double().repeat(count, 1, 1), ((64, 64),) * count
    )


def test_dice_of_the_lesions_that_were_found_and_outlined() -> None:
    store = _store(SQUARE, None, SQUARE)
    found, agreements = predict_lesions(_Drawn(), store, 0.5, AT_HALF)

    assert agreements == ((pytest.approx(2 * 200 / (400 + 200)),), (), (pytest.approx(2 / 3),))
    figures = detection_figures(Boxes(truths_of(store), found, tuple("abc"), 0.5, AT_HALF, agreements), ["lesion"], 0)
    assert (figures.mask_dice, figures.mask_lesions) == (pytest.approx(2 / 3), 2)
    assert figures.intervals["mask_dice"] == pytest.approx((2 / 3, 2 / 3)) and figures.false_positives_per_image == 1


def test_above_the_threshold_only() -> None:
    store = _store(SQUARE)
    found, agreements = predict_lesions(_Drawn(), store, 0.92, AT_HALF)

    assert agreements == ((),)
    figures = detection_figures(Boxes(truths_of(store), found, ("a",), 0.92, AT_HALF, agreements), ["lesion"], 0)
    assert math.isnan(figures.mask_dice) and figures.mask_lesions == 0


def test_the_outline_is_moved_to_the_processed_image() -> None:
    """A picture of twice the size: its lesion of 20 to 60 pixels is the square of 10 to 30."""
    outline = Outline((tuple((2 * x, 2 * y) for x, y in SQUARE.rings[0]),))
    sample = Sample("0", Path("x"), "test", 0, boxes=((20.0, 20.0, 60.0, 60.0),), box_labels=(0,), shapes=(outline,))
    affine = torch.diag(torch.tensor([2.0, 2, 1, 1])).double()
    affine[:2, 3] = 0.5
    store = ImageStore((sample,), torch.zeros(1, 1, 64, 64), affine[None], ((128, 128),))

    assert predict_lesions(_Drawn(), store, 0.5, AT_HALF)[1] == ((pytest.approx(2 / 3),),)


def test_dice_by_hand() -> None:
    one, other = torch.zeros(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)
    assert dice(one, other) == 0
    one[:2], other[1:3] = True, True
    assert dice(one, other) == 0.5 and np.isclose(dice(one, one), 1)
