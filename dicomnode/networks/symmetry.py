"""A classifier that looks at an image from several sides and answers once (test-time augmentation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Symmetry:
    """A way to look at an image: turned by quarters, counter-clockwise, then mirrored left to right.

    Attributes:
        quarters: Quarter turns, 0 to 3.
        mirrored: Whether left and right are exchanged afterwards.
    """

    quarters: int = 0
    mirrored: bool = False

    def of(self, images: torch.Tensor) -> torch.Tensor:
        """(..., h, w) as it looks from there."""
        turned = images.rot90(self.quarters, (-2, -1))
        return turned.flip(-1) if self.mirrored else turned

    def back(self, images: torch.Tensor) -> torch.Tensor:
        """(..., h, w) that `of` gave as it was, or a map over it in the place of the original."""
        turned = images.flip(-1) if self.mirrored else images
        return turned.rot90(-self.quarters, (-2, -1))


_MIRROR = (Symmetry(mirrored=True),)
_DIHEDRAL = (
    *(Symmetry(quarters) for quarters in (1, 2, 3)),
    *(Symmetry(quarters, mirrored=True) for quarters in range(4)),
)


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
        self._others = _DIHEDRAL if symmetry == "dihedral" else _MIRROR

    @property
    def views(self) -> tuple[Symmetry, ...]:
        """Every way that an image is looked at, the plain one first."""
        return (Symmetry(), *self._others)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) float images, square for ``dihedral``, to (B, K) logits."""
        logits: torch.Tensor = self.classifier(images)
        if self.training:
            return logits
        for view in self._others:
            logits = logits + self.classifier(view.of(images))
        return logits / len(self.views)
