"""Optimiser and learning-rate schedule of a run."""

from __future__ import annotations

import math

import torch
from torch import nn

from dicomnode.learning.recipe import TrainingSection


def make_optimizer(model: nn.Module, section: TrainingSection) -> torch.optim.Optimizer:
    """AdamW; biases and normalisation weights are not decayed, since pulling them to zero only slows learning."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": section.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=section.learning_rate)


def make_schedule(
    optimizer: torch.optim.Optimizer, section: TrainingSection, steps_per_epoch: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear rise, then half a cosine down to one percent of the peak; one step per batch."""
    rise = max(1.0, section.warmup_epochs * steps_per_epoch)
    total = max(rise + 1, float(section.epochs * steps_per_epoch))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        progress = min(1.0, (step - rise) / (total - rise))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
