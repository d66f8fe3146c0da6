"""Boxes and masks on an image: batches, loss and validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

from dicomnode.learning.data.augmentation import augment
from dicomnode.learning.data.lesion_masks import moved_lesions
from dicomnode.learning.data.pictures import processed_boxes
from dicomnode.learning.data.store import ImageStore, parts, repeated
from dicomnode.learning.data.tiles import View, random_tile
from dicomnode.learning.engine.classification import weights_l1
from dicomnode.learning.engine.loops import evaluate
from dicomnode.learning.engine.ranks import ALONE, Ranks
from dicomnode.learning.metrics.coco_precision import average_precision
from dicomnode.learning.metrics.lesions import Truth
from dicomnode.learning.recipes.recipe import Recipe

Target: TypeAlias = dict[str, torch.Tensor]
DetectionBatch: TypeAlias = tuple[list[torch.Tensor], list[Target]]

_BATCH = 8
_SMALLEST_SIDE = 3.0
"""Pixels; what augmentation leaves of a box that it pushed out of the image is not a lesion any more."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Detection with its training and validation images.

    Attributes:
        recipe: The experiment.
        train: Training images.
        valid: Validation images.
        ranks: This process among those that share each batch.
    """

    recipe: Recipe
    train: ImageStore
    valid: ImageStore
    ranks: Ranks = ALONE

    @property
    def steps_per_epoch(self) -> int:
        """Training batches in one epoch."""
        section = self.recipe.training
        whole = len(self.train.samples) // section.batch_size
        return whole if section.steps_per_epoch is None or whole == 0 else section.steps_per_epoch

    def batches(self, generator: torch.Generator, device: torch.device) -> Iterator[DetectionBatch]:
        """Augmented images and torchvision targets, whose masks are as the recipe's data section says."""
        own = self.ranks.own(generator)
        order = repeated(len(self.train.samples), self.recipe.training.batch_size, self.steps_per_epoch, generator)
        for chosen in parts(map(self.ranks.share, order), self.recipe.training.accumulate):
            views = self._views(chosen, own)
            images, theta = augment(torch.stack([view.image for view in views]), self.recipe.augmentation, own)
            sizes = [self.train.sizes[int(index)] for index in chosen]
            targets = [self._target(*one) for one in zip(views, theta, sizes, strict=True)]
            moved = [{name: tensor.to(device) for name, tensor in target.items()} for target in targets]
            yield list(images.to(device)), moved

    def _views(self, chosen: torch.Tensor, own: torch.Generator) -> list[View]:
        """The chosen images, or a tile of each."""
        store, tiles = self.train, self.recipe.data.tiles
        images = zip(chosen.tolist(), store.listed(chosen), strict=True)
        views = [View(image, store.affines[index], store.samples[index]) for index, image in images]
        return views if tiles is None else [random_tile(view, tiles, own) for view in views]

    def _target(self, view: View, theta: torch.Tensor, source: tuple[int, int]) -> Target:
        size = (view.image.shape[1], view.image.shape[2])
        drawn = self.recipe.data.masks == "polygon"
        boxes, masks = moved_lesions(view.sample, view.affine, theta, size, source, drawn=drawn)
        labels = torch.tensor(view.sample.box_labels, dtype=torch.int64) + 1
        kept = (boxes[:, 2:] - boxes[:, :2] > _SMALLEST_SIDE).all(dim=1)
        return {"boxes": boxes[kept], "labels": labels[kept], "masks": masks[kept]}

    def loss(self, model: nn.Module, batch: DetectionBatch) -> torch.Tensor:
        """Sum of the detector's losses, with the recipe's L1 of the weights."""
        losses: Target = model(*batch)
        loss, l1 = torch.stack([value.float() for value in losses.values()]).sum(), self.recipe.training.l1
        return loss + l1 * weights_l1(model) if l1 else loss

    def validate(self, model: nn.Module, dtype: torch.dtype | None) -> dict[str, float]:
        """Average precision of the boxes."""
        return average_precision(truths_of(self.valid), predict_boxes(model, self.valid, dtype)).summary()


def truths_of(store: ImageStore) -> list[Truth]:
    """Boxes of every image in processed pixels."""
    found = []
    # Streamed images without any box have no affines, and need none.
    affines = store.affines if len(store.affines) else torch.eye(4).expand(len(store.samples), 4, 4)
    for sample, affine in zip(store.samples, affines, strict=True):
        boxes = torch.tensor(sample.boxes, dtype=torch.float32).reshape(-1, 4)
        labels = torch.tensor(sample.box_labels, dtype=torch.int64)
        found.append(Truth(processed_boxes(boxes, affine), labels))
    return found


def predict_boxes(model: nn.Module, store: ImageStore, dtype: torch.dtype | None = None) -> list[Target]:
    """Boxes, labels and scores of every image, on the CPU, in processed pixels."""
    return [without_masks(answer) for answer in answers_of(model, store, dtype)]


def answers_of(model: nn.Module, store: ImageStore, dtype: torch.dtype | None = None) -> Iterator[Target]:
    """What the network answers for every image in order, on its own device, with masks if it draws any."""
    # Streamed images may be large, and of different sizes.
    size = _BATCH if isinstance(store.images, torch.Tensor) else 1
    for output in evaluate(model, store.batches(size), dtype=dtype):
        yield from output


def without_masks(answer: Target) -> Target:
    """Boxes, labels and scores of one answer, on the CPU."""
    return {name: answer[name].float().cpu() for name in ("boxes", "labels", "scores")}
