"""Normalisation as a part of the network, so that a picture in 0..1 is all that a caller has to give."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Normalisation(nn.Module):
    """(images - mean) / std, channel by channel; it learns nothing and stores nothing.

    Args:
        mean: One number for each channel, for pixels in 0..1.
        std: Likewise, above 0.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) images in 0..1 to images about zero."""
        return (images - self.mean) / self.std
