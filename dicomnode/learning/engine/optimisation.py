"""Optimiser and learning-rate schedule of a run."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from dicomnode.learning.recipes.hyperparameters import TrainingSection


def make_optimizer(model: nn.Module, section: TrainingSection) -> torch.optim.Optimizer:
    """The recipe's optimiser for the parameters that are trained.

    With AdamW, biases and normalisation weights are not decayed, since pulling them to zero only slows learning; Adam
    and SGD decay all parameters, as the studies that used them did.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    rate, decay = section.learning_rate, section.weight_decay
    if section.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=section.momentum, weight_decay=decay)
    if section.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate)


def make_schedule(
    optimizer: torch.optim.Optimizer, section: TrainingSection, steps_per_epoch: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """The recipe's schedule, one step per batch.

    After a linear rise the peak for ever or half a cosine down to one percent of it; or soft start and annealing.
    """
    if section.schedule == "soft_start_annealing":
        factor = _soft_start_annealing(section, section.epochs * steps_per_epoch)
    else:
        factor = _after_rise(section, steps_per_epoch)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _after_rise(section: TrainingSection, steps_per_epoch: int) -> Callable[[int], float]:
    rise = section.warmup_epochs * steps_per_epoch
    if section.schedule == "cosine":
        rise = max(1.0, rise)
    total = max(rise + 1, float(section.epochs * steps_per_epoch))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        if section.schedule == "constant":
            return 1.0
        progress = min(1.0, (step - rise) / (total - rise))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

    return factor


def _soft_start_annealing(section: TrainingSection, steps: int) -> Callable[[int], float]:
    """From the lowest rate up to the peak, along it, and down again; both slopes are exponential."""
    lowest = math.log(section.lowest_learning_rate / section.learning_rate)

    def factor(step: int) -> float:
        progress = min(1.0, step / max(1, steps - 1))
        if progress < section.soft_start:
            return math.exp(lowest * (1 - progress / section.soft_start))
        if progress > section.annealing:
            return math.exp(lowest * (progress - section.annealing) / (1 - section.annealing))
        return 1.0

    return factor
