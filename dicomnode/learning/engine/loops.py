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
    accumulate: int = 1,
) -> float:
    """Step once per batch, or once per ``accumulate`` parts of one, and return the mean loss.

    Args:
        state: Of the run; stepped.
        batches: Of one epoch, or their parts; what does not fill a last batch is left out.
        loss_of: Loss of the network on a batch.
        clip_norm: Gradients are scaled down to this norm; None for never.
        dtype: Of automatic mixed precision.
        report: Told the loss of each step.
        mean: Of a loss over all processes that train together.
        accumulate: Parts that each batch comes in.

    Raises:
        TrainingError: If the loss is not finite; the last checkpoint stays as it was.
    """
    device = next(state.model.parameters()).device
    to_training(state.model)
    losses: list[float] = []
    of_parts: list[float] = []
    state.optimizer.zero_grad(set_to_none=True)
    for batch in batches:
        with mixed_precision(device, dtype):
            loss = loss_of(state.called, batch)
        of_parts.append(mean(loss.item()))
        if not math.isfinite(of_parts[-1]):
            raise TrainingError(
                f"epoch {state.epoch + 1}, step {len(losses) + 1}: the loss is {of_parts[-1]}; "
                "lower training.learning_rate and resume from the last checkpoint"
            )
        (loss / accumulate).backward()  # type: ignore[no-untyped-call]
        if len(of_parts) == accumulate:
            _step(state, clip_norm)
            losses.append(sum(of_parts) / accumulate)
            of_parts.clear()
            report(losses[-1])
    return sum(losses) / len(losses)


def _step(state: RunState, clip_norm: float | None) -> None:
    """Move the weights along the gradients that were gathered."""
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(state.model.parameters(), clip_norm)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.schedule.step()
    if isinstance(state.averaged, AveragedModel):
        state.averaged.update_parameters(state.model)
    state.steps += 1


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
