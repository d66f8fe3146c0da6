"""Learning-rate range test (Smith, "Cyclical learning rates for training neural networks", WACV 2017)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from monai.optimizers import LearningRateFinder
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from dicomnode.errors import TrainingError
from dicomnode.learning.engine.freezing import to_training
from dicomnode.learning.engine.optimisation import make_optimizer
from dicomnode.learning.engine.precision import fast_type, mixed_precision
from dicomnode.learning.engine.stages import stages_of
from dicomnode.learning.engine.tasks import Task
from dicomnode.learning.engine.training import Run, new_network

_FEWEST = 3
"""Losses that a slope can be told from, one more than MONAI uses."""


@dataclass(frozen=True, slots=True)
class RateSearch:
    """How the loss went while the learning rate rose.

    Attributes:
        rates: Of each step.
        losses: Smoothed, of each step.
        suggestion: The rate at which the loss fell fastest.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


class _LossOf(nn.Module):
    """A network whose output is its loss on a batch, which is what MONAI's finder then minimises."""

    def __init__(self, run: Run, task: Task, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._task = task
        self._device = run.device
        self._dtype = fast_type(run.device, wanted=run.recipe.training.mixed_precision)

    def train(self, mode: bool = True) -> _LossOf:
        """Training mode as the loop has it: what is frozen stays as it is."""
        super().train(mode)
        if mode:
            to_training(self.network)
        return self

    def forward(self, batch: Any) -> torch.Tensor:
        """Scalar loss."""
        with mixed_precision(self._device, self._dtype):
            return self._task.loss(self.network, batch)


class _Batches(IterableDataset[Any]):
    """Training batches without end, each epoch in another order."""

    def __init__(self, run: Run, task: Task) -> None:
        self._run = run
        self._task = task

    def __iter__(self) -> Iterator[Any]:
        epoch = 0
        while True:
            epoch += 1
            generator = torch.Generator().manual_seed(self._run.recipe.seed + 1000 * epoch)
            yield from self._task.batches(generator, self._run.device)


def find_rate(run: Run, task: Task, steps: int = 100, lowest: float = 1e-6, highest: float = 1.0) -> RateSearch:
    """Train a new network for a few steps while the learning rate rises exponentially; nothing of it is kept.

    The first stage's parameters are trained, by the recipe's optimiser, without clipping, warm-up or averaging.

    Args:
        run: Recipe and device.
        task: With its training images.
        steps: At most; it ends earlier when the loss is five times its lowest.
        lowest: First learning rate.
        highest: Last learning rate.

    Raises:
        TrainingError: If the loss is not finite from the first steps on.
    """
    section = stages_of(run.recipe.training)[0]
    network = new_network(run)
    torch.manual_seed(run.recipe.seed)
    optimizer = make_optimizer(network, section.model_copy(update={"learning_rate": lowest}))
    finder = LearningRateFinder(_LossOf(run, task, network), optimizer, _itself, run.device, verbose=False)
    loader: DataLoader[Any] = DataLoader(_Batches(run, task), batch_size=None)
    finder.range_test(
        loader,
        image_extractor=lambda batch: batch,
        label_extractor=lambda batch: (),
        end_lr=highest,
        num_iter=steps,
        accumulation_steps=section.accumulate,
        auto_reset=False,
    )
    rates, losses = finder.history["lr"], finder.history["loss"]
    finite = sum(math.isfinite(loss) for loss in losses)
    if finite < _FEWEST:
        raise TrainingError(f"recipe {run.recipe.name}: the loss is not finite at a learning rate of {lowest:g}")
    suggestion, _ = finder.get_steepest_gradient(skip_end=len(losses) - finite)
    return RateSearch(tuple(map(float, rates[:finite])), tuple(map(float, losses[:finite])), float(suggestion))


def _itself(loss: torch.Tensor, _: object) -> torch.Tensor:
    return loss
