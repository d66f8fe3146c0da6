"""One label per image: batches, loss and validation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from dicomnode.learning.data.augmentation import augment, mixers
from dicomnode.learning.data.store import ImageStore, balanced, parts, shuffled
from dicomnode.learning.engine.loops import evaluate
from dicomnode.learning.engine.ranks import ALONE, Ranks
from dicomnode.learning.metrics.weighted_figures import ranked
from dicomnode.learning.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Classification:
    """Classification with its training and validation images.

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
        return len(self.train.samples) // self.recipe.training.batch_size

    def batches(self, generator: torch.Generator, device: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Augmented (B, C, h, w) images and (B,) labels, or (B, classes) shares of labels where images are mixed.

        B is the batch size over the number of processes: each has its share of every batch.
        """
        mixing = mixers(self.recipe.augmentation, len(self.recipe.data.classes))
        labels = labels_of(self.train)
        size = self.recipe.training.batch_size
        weighted = self.recipe.training.class_balance == "weighted"
        order = balanced(labels, size, generator) if weighted else shuffled(len(labels), size, generator)
        own = self.ranks.own(generator)
        for chosen in parts(map(self.ranks.share, order), self.recipe.training.accumulate):
            images, _ = augment(self.train.images[chosen].float(), self.recipe.augmentation, own)
            targets = labels[chosen]
            if mixing:
                images, targets = mixing[int(torch.randint(len(mixing), (), generator=own))](images, targets)
            images = images.contiguous(memory_format=torch.channels_last)
            yield images.to(device, non_blocking=True), targets.to(device, non_blocking=True)

    def loss(self, model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Cross entropy with label smoothing, and the weights' L1 norm where the recipe asks for it."""
        images, labels = batch
        section = self.recipe.training
        loss = functional.cross_entropy(model(images).float(), labels, label_smoothing=section.label_smoothing)
        return loss + section.l1 * weights_l1(model) if section.l1 else loss

    def validate(self, model: nn.Module, dtype: torch.dtype | None) -> dict[str, float]:
        """Accuracy, macro F1, the classes' mean area under the ROC curve, and negative log likelihood."""
        return validation_figures(predict_logits(model, self.valid, dtype), labels_of(self.valid))


def validation_figures(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """The figures of (N, classes) logits."""
    predicted = logits.argmax(dim=1)
    return {
        "accuracy": (predicted == labels).double().mean().item(),
        "macro_f1": macro_f1(predicted, labels, logits.shape[1]),
        "auc": macro_auc(logits.softmax(dim=1), labels),
        "nll": functional.cross_entropy(logits, labels).item(),
    }


def weights_l1(model: nn.Module) -> torch.Tensor:
    """Sum of the absolute weights of trained convolutions and linear layers."""
    norms = [p.abs().sum() for p in model.parameters() if p.requires_grad and p.ndim > 1]
    return torch.stack(norms).sum()


def labels_of(store: ImageStore) -> torch.Tensor:
    """(N,) class indices."""
    return torch.tensor([sample.label for sample in store.samples], dtype=torch.int64)


def predict_logits(model: nn.Module, store: ImageStore, dtype: torch.dtype | None = None) -> torch.Tensor:
    """(N, classes) float32 logits on the CPU."""
    outputs = evaluate(model, store.batches(64), dtype=dtype)
    return torch.cat([output.float().cpu() for output in outputs])


def macro_f1(predicted: torch.Tensor, labels: torch.Tensor, classes: int) -> float:
    """Mean over the classes of the harmonic mean of precision and recall; 0 for a class never met nor predicted."""
    scores = []
    for index in range(classes):
        hits = ((predicted == index) & (labels == index)).sum().item()
        both = (predicted == index).sum().item() + (labels == index).sum().item()
        scores.append(2 * hits / both if both else 0.0)
    return sum(scores) / classes


def macro_auc(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean over the classes of the area under the ROC curve of one class against the rest.

    Args:
        scores: (N, K).
        labels: (N,) class indices; a class that is never or always met is left out.
    """
    table, once = scores.double().numpy(), np.ones((1, len(labels)))
    rankings = [ranked(table[:, index], (labels == index).numpy(), once) for index in range(scores.shape[1])]
    areas = [area for area in (ranking.auc.item() for ranking in rankings) if not math.isnan(area)]
    return sum(areas) / len(areas) if areas else 0.0
