"""Mammography exams: batches of images or of four views, losses of the networks' heads, validation per breast."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.errors import RecipeError
from dicomnode.learning.data.exam_augmentation import augment_views
from dicomnode.learning.data.exam_store import ExamStore
from dicomnode.learning.data.exam_tables import is_birads
from dicomnode.learning.data.exams import BreastImage, Exam, Unit
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.store import parts, shuffled
from dicomnode.learning.engine.exam_losses import category_loss, exam_loss, image_loss
from dicomnode.learning.engine.precision import mixed_precision
from dicomnode.learning.engine.ranks import ALONE, Ranks
from dicomnode.learning.metrics.calibration import Floats
from dicomnode.learning.metrics.weighted_figures import Bools, ranked
from dicomnode.learning.recipes.exam import ExamSection
from dicomnode.learning.recipes.recipe import Recipe

Input: TypeAlias = torch.Tensor | dict[str, torch.Tensor]
ExamBatch: TypeAlias = tuple[Input, torch.Tensor]

_LEAST = 1e-7


@dataclass(frozen=True, slots=True)
class ExamTask:
    """Exams with their training and validation images.

    Attributes:
        recipe: The experiment.
        section: Its section ``exam``.
        train: Training images.
        valid: Validation images.
        ranks: This process among those that share each batch.
    """

    recipe: Recipe
    section: ExamSection
    train: ExamStore
    valid: ExamStore
    ranks: Ranks = ALONE

    @property
    def steps_per_epoch(self) -> int:
        """Training batches in one epoch."""
        return len(self._chosen(torch.Generator().manual_seed(0))) // self.recipe.training.batch_size

    def batches(self, generator: torch.Generator, device: torch.device) -> Iterator[ExamBatch]:
        """Augmented (B, C, h, w) images with (B, K) truths, or views by name with (B, 2, K) truths."""
        units, chosen = self.train.units, self._chosen(generator)
        own = self.ranks.own(generator)
        order = shuffled(len(chosen), self.recipe.training.batch_size, generator)
        for places in parts(map(self.ranks.share, order), self.recipe.training.accumulate):
            batch = [units[int(chosen[place])] for place in places]
            images = read_units(self.train, batch)
            changed = {name: augment_views(view, self.recipe.augmentation, own) for name, view in images.items()}
            yield _input(changed, device), truths_of(batch).to(device)

    def loss(self, model: nn.Module, batch: ExamBatch) -> torch.Tensor:
        """Cross entropy of the network's heads and, of networks with saliency maps, their L1 norm."""
        images, truths = batch
        answer: Mapping[str, torch.Tensor] = model(images)
        if is_birads(self.recipe.data):
            return category_loss(answer, truths)
        if self.section.unit == "exam":
            return exam_loss(answer, truths)
        return image_loss(answer, truths, self.section.saliency_l1)

    def validate(self, model: nn.Module, dtype: torch.dtype | None) -> dict[str, float]:
        """Area under the ROC curve of each class over breasts (or exams), their mean, and the cross entropy."""
        rows = predict_rows(model, self.valid, self._batch, dtype)
        areas = {name: _area(rows, index) for index, name in enumerate(self.recipe.data.classes)}
        known = [area for area in areas.values() if not math.isnan(area)]
        scores = np.clip(rows.scores, _LEAST, 1 - _LEAST)
        entropy = -np.where(rows.truths, np.log(scores), np.log(1 - scores)).mean()
        figures = {f"auc_{name}": 0.0 if math.isnan(area) else area for name, area in areas.items()}
        return {"auc": sum(known) / len(known) if known else 0.0, **figures, "cross_entropy": float(entropy)}

    @property
    def _batch(self) -> int:
        """As many at once as training has in memory."""
        return self.recipe.training.batch_size // self.recipe.training.accumulate

    def _chosen(self, generator: torch.Generator) -> torch.Tensor:
        """Indices of the units of an epoch."""
        found = truths_of(self.train.units).flatten(1).any(dim=1)
        if not self.section.balanced:
            return torch.arange(len(found))
        positive, negative = found.nonzero().flatten(), (~found).nonzero().flatten()
        drawn = torch.randperm(len(negative), generator=generator)[: len(positive)]
        return torch.cat([positive, negative[drawn]])


@dataclass(frozen=True, slots=True)
class Rows:
    """Answers, one row a breast, or one an exam where classes are categories of the exam.

    Attributes:
        scores: (N, K) 0..1.
        truths: (N, K).
        samples: (N,) the first image of each.
        exams: (N,) the exam of each.
        sides: (N,) ``L`` or ``R``, empty for an exam.
        groups: (N,) the patient or, where none is known, the exam.
    """

    scores: Floats
    truths: Bools
    samples: tuple[Sample, ...]
    exams: tuple[str, ...]
    sides: tuple[str, ...]
    groups: tuple[str, ...]


@torch.no_grad()
def predict_rows(model: nn.Module, store: ExamStore, batch: int = 1, dtype: torch.dtype | None = None) -> Rows:
    """What the network says of every breast: the mean over its images, or its part of the answer for the exam.

    Args:
        model: Gives ``scores``.
        store: The mammograms; what none was read of is left out.
        batch: Images or exams at once.
        dtype: Of automatic mixed precision.
    """
    device = next(model.parameters()).device
    model.eval()
    scores = []
    for start in range(0, len(store.units), batch):
        images = _input(read_units(store, store.units[start : start + batch]), device)
        with mixed_precision(device, dtype):
            scores.append(model(images)["scores"].double().cpu())
    if not scores:
        raise RecipeError("no exam with all four standard views is in the split; unit exam needs them")
    found = torch.cat(scores)
    return _of_exams(store.exams, found) if store.section.unit == "exam" else _of_images(store.images, found)


def read_units(store: ExamStore, units: Sequence[Unit]) -> dict[str, torch.Tensor]:
    """(B, C, h, w) prepared images by view; of single images all under the empty name."""
    if store.section.unit == "image":
        return {"": store.read(unit for unit in units if isinstance(unit, BreastImage))}
    exams = [unit for unit in units if isinstance(unit, Exam)]
    return {view: store.read(exam.views[view] for exam in exams) for view in STANDARD_VIEWS}


def truths_of(units: Sequence[Unit]) -> torch.Tensor:
    """(N, K) of images or (N, 2, K) of exams, float32."""
    return torch.tensor([unit.truth if isinstance(unit, BreastImage) else unit.truths for unit in units]).float()


def _input(images: dict[str, torch.Tensor], device: torch.device) -> Input:
    moved = {name: view.to(device, non_blocking=True) for name, view in images.items()}
    return moved.get("", moved)


def _of_images(images: Sequence[BreastImage], scores: torch.Tensor) -> Rows:
    members: dict[tuple[str, str], list[int]] = {}
    for index, image in enumerate(images):
        members.setdefault((image.exam, image.laterality), []).append(index)
    first = [images[rows[0]] for rows in members.values()]
    return Rows(
        np.stack([scores[rows].mean(dim=0).numpy() for rows in members.values()]),
        np.array([image.truth for image in first]),
        tuple(image.sample for image in first),
        tuple(image.exam for image in first),
        tuple(image.laterality for image in first),
        tuple(image.group for image in first),
    )


def _of_exams(exams: Sequence[Exam], scores: torch.Tensor) -> Rows:
    """Of (N, 2, K) scores of breasts, or (N, K) scores of categories."""
    sides = ("L", "R") if scores.ndim == 3 else ("",)
    rows = [(exam, place, side) for exam in exams for place, side in enumerate(sides)]
    return Rows(
        scores.reshape(len(rows), -1).numpy(),
        np.array([exam.truths[place] for exam, place, _ in rows]),
        tuple(exam.views[f"{side or 'L'}-CC"].sample for exam, _, side in rows),
        tuple(exam.name for exam, _, _ in rows),
        tuple(side for _, _, side in rows),
        tuple(exam.group for exam, _, _ in rows),
    )


def _area(rows: Rows, index: int) -> float:
    once = np.ones((1, len(rows.scores)))
    return float(ranked(rows.scores[:, index], rows.truths[:, index], once).auc[0])
