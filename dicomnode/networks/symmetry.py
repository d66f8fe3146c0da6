"""A classifier that looks at an image from several sides and answers once (test-time augmentation)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import nn

View: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


def _mirrored(images: torch.Tensor) -> torch.Tensor:
    return images.flip(-1)


def _turned(quarters: int) -> View:
    return lambda images: images.rot90(quarters, (-2, -1))


def _turned_and_mirrored(quarters: int) -> View:
    return lambda images: images.rot90(quarters, (-2, -1)).flip(-1)


class SymmetryAveraged(nn.Module):
    """Mean of a classifier's logits over the symmetries of its images; one view only in training.

    Args:
        classifier: Takes (B, C, h, w) images and gives (B, K) logits.
        symmetry: ``mirror`` for images whose left and right may be exchanged; ``dihedral`` for square images that have
            no up, down, left or right, such as microscopy: the four quarter turns, each plain and mirrored.
    """

    def __init__(self, *, classifier: nn.Module, symmetry: Literal["mirror", "dihedral"]) -> None:
        super().__init__()
        self.classifier = classifier
        self._views: tuple[View, ...] = (_mirrored,)
        if symmetry == "dihedral":
            turns = [_turned(quarters) for quarters in (1, 2, 3)]
            self._views = (*turns, *(_turned_and_mirrored(quarters) for quarters in range(4)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) float images, square for ``dihedral``, to (B, K) logits."""
        logits: torch.Tensor = self.classifier(images)
        if self.training:
            return logits
        for view in self._views:
            logits = logits + self.classifier(view(images))
        return logits / (len(self._views) + 1)
