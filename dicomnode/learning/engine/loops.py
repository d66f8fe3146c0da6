"""The two loops of the engine: one epoch of training, one pass of prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from dicomnode.errors import TrainingError
from dicomnode.learning.engine.checkpoints import RunState
from dicomnode.learning.engine.freezing import to_training
from dicomnode.learning.engine.precision import mixed_precision


def train_one_epoch(
    state: RunState,
    batches: Iterable[Any],
    loss_of: Callable[[nn.Module, Any], torch.Tensor],
    *,
    clip_norm: float | None,
    dtype: torch.dtype | None,
    report: Callable[[float], None],
    mean: Callable[[float], float] = float,
) -> float:
    """Step once per batch and return the mean loss.

    Args:
        state: Of the run; stepped.
        batches: Of one epoch.
        loss_of: Loss of the network on a batch.
        clip_norm: Gradients are scaled down to this norm; None for never.
        dtype: Of automatic mixed precision.
        report: Told the loss of each step.
        mean: Of a loss over all processes that train together.

    Raises:
        TrainingError: If the loss is not finite; the last checkpoint stays as it was.
    """
    device = next(state.model.parameters()).device
    to_training(state.model)
    losses: list[float] = []
    for batch in batches:
        with mixed_precision(device, dtype):
            loss = loss_of(state.called, batch)
        losses.append(mean(loss.item()))
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"epoch {state.epoch + 1}, step {len(losses)}: the loss is {losses[-1]}; "
                "lower training.learning_rate and resume from the last checkpoint"
            )
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(state.model.parameters(), clip_norm)
        state.optimizer.step()
        state.schedule.step()
        if isinstance(state.averaged, AveragedModel):
            state.averaged.update_parameters(state.model)
        state.steps += 1
        report(losses[-1])
    return sum(losses) / len(losses)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[torch.Tensor],
    *,
    dtype: torch.dtype | None = None,
) -> Iterator[Any]:
    """The model's output for every batch of images, in order."""
    device = next(model.parameters()).device
    model.eval()
    for images in batches:
        with mixed_precision(device, dtype):
            yield model(images.to(device))
