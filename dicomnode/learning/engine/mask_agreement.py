"""How well the masks that a detector draws agree with those annotated, measured while it looks at the images."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from dicomnode.learning.data.lesion_masks import moved_lesions
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.store import ImageStore
from dicomnode.learning.engine.detection import Target, answers_of, truths_of, without_masks
from dicomnode.learning.metrics.detection_metrics import Dice
from dicomnode.learning.metrics.lesions import Hit, Truth, claims_of

_INSIDE = 0.5
"""Value from which a pixel of a soft mask counts as lesion, as when the node draws it."""
_UNMOVED = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def predict_lesions(model: nn.Module, store: ImageStore, threshold: float, hit: Hit) -> tuple[list[Target], Dice]:
    """Boxes, labels and scores of every image, and the Dice of the masks of lesions found at the operating point.

    Masks are compared as the images come, and not kept: those of a whole split would fill the memory.

    Args:
        model: The detector.
        store: Images with their boxes and shapes.
        threshold: Boxes with a lower score are not looked at for Dice.
        hit: When a box is on a lesion.

    Returns:
        As `predict_boxes` gives them, on the CPU in processed pixels, and for each image a Dice of each lesion that was
        found and has an annotated shape; none where the detector draws no masks.
    """
    found: list[Target] = []
    agreements: list[tuple[float, ...]] = []
    truths = truths_of(store)
    for place, answer in enumerate(answers_of(model, store)):
        found.append(without_masks(answer))
        claims: dict[int, int] = {}
        if "masks" in answer and any(store.samples[place].shapes):
            claims = _claims(truths[place], found[-1], threshold, hit)
        masks = {lesion: answer["masks"][index, 0].cpu() >= _INSIDE for lesion, index in claims.items()}
        agreements.append(_agreements(store, place, masks))
    return found, tuple(agreements)


def _claims(truth: Truth, item: Target, threshold: float, hit: Hit) -> dict[int, int]:
    """For each lesion found at the operating point, the index of the box that claimed it."""
    kept = (item["scores"] >= threshold).nonzero().flatten()
    strong = {name: value[kept] for name, value in item.items()}
    order = kept[strong["scores"].argsort(descending=True, stable=True)].tolist()
    _, claims = claims_of(truth, strong, hit)
    return {lesion: index for lesion, index in zip(claims, order, strict=True) if lesion >= 0}


def _agreements(store: ImageStore, place: int, masks: dict[int, torch.Tensor]) -> tuple[float, ...]:
    sample = store.samples[place]
    shaped = [lesion for lesion in masks if sample.shapes[lesion] is not None]
    if not shaped:
        return ()
    size = tuple(masks[shaped[0]].shape)
    _, annotated = moved_lesions(
        _only(sample, shaped), store.affines[place], _UNMOVED, (size[0], size[1]), store.sizes[place], drawn=True
    )
    return tuple(dice(mask.bool(), masks[lesion]) for mask, lesion in zip(annotated, shaped, strict=True))


def _only(sample: Sample, lesions: list[int]) -> Sample:
    return replace(
        sample,
        boxes=tuple(sample.boxes[index] for index in lesions),
        box_labels=tuple(sample.box_labels[index] for index in lesions),
        shapes=tuple(sample.shapes[index] for index in lesions),
    )


def dice(one: torch.Tensor, other: torch.Tensor) -> float:
    """Twice the common pixels of two (h, w) masks over the sum of both (Dice, 1945); 0 if both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 0.0
