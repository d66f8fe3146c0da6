"""A residual network for one 2-D image (He et al., "Deep residual learning", CVPR 2016)."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock


def _stage(channels_in: int, channels_out: int, stride: int, blocks: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or channels_in != channels_out:
        shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
        )
    first = BasicBlock(channels_in, channels_out, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(channels_out, channels_out) for _ in range(blocks - 1)))


class ResNetClassifier(nn.Module):
    """ResNet of basic blocks with a free width; ``width=64`` and two blocks a stage is ResNet-18.

    Args:
        in_channels: Channels of the image, 1 for grey.
        classes: Number of logits.
        width: Channels of the first stage; each of the four stages doubles it.
        blocks: Basic blocks in each stage.
        dropout: Probability that a pooled feature is dropped in training.
        pool: Halve the stem's output once more; small pictures are better off without.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        classes: int,
        width: int = 64,
        blocks: int = 2,
        dropout: float = 0.0,
        pool: bool = True,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, 2, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1) if pool else nn.Identity(),
        )
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(*(_stage(widths[i], widths[i + 1], 1 if i == 0 else 2, blocks) for i in range(4)))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8 * width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) float images to (B, classes) logits."""
        features = self.stages(self.stem(images)).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(self.dropout(features))
        return logits
