"""What the loop asks of a task: batches, a loss, validation figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import nn

from dicomnode.learning.data.exam_store import ExamStore
from dicomnode.learning.data.store import ImageStore


class Task(Protocol):
    """Classification, detection or exams, with its data."""

    @property
    def valid(self) -> ImageStore | ExamStore:
        """The validation images."""

    @property
    def steps_per_epoch(self) -> int:
        """Training batches in one epoch."""

    def batches(self, generator: torch.Generator, device: torch.device) -> Iterator[Any]:
        """One epoch of augmented training batches on ``device``."""

    def loss(self, model: nn.Module, batch: Any) -> torch.Tensor:
        """Scalar loss of one batch."""

    def validate(self, model: nn.Module, dtype: torch.dtype | None) -> dict[str, float]:
        """Figures of the validation split."""
