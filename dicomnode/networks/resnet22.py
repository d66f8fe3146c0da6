"""ResNet-22, the low-capacity network that sees a whole mammogram (Wu et al., IEEE TMI 2020; Shen et al., MedIA 2021).

Residual blocks of the second kind (He et al., "Identity mappings in deep residual networks", ECCV 2016): batch norm and
ReLU come before each convolution, and the sum of both ways goes on unchanged.
"""

from __future__ import annotations

import torch
from torch import nn

_STAGES = 5
_BLOCKS = 2


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU, beside a shortcut.

    Args:
        channels_in: Channels of the input.
        channels: Channels of the output.
        stride: Of the first convolution and the shortcut.
        is_first: True for the first block of a stage, whose shortcut is a 1x1 convolution.
    """

    def __init__(self, channels_in: int, channels: int, stride: int, *, is_first: bool) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False) if is_first else None

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, channels_in, h, w) to (B, channels, ceil(h / stride), ceil(w / stride))."""
        active = nn.functional.relu(self.norm1(features), inplace=True)
        beside = features if self.shortcut is None else self.shortcut(active)
        active = nn.functional.relu(self.norm2(self.conv1(active)), inplace=True)
        result: torch.Tensor = self.conv2(active) + beside
        return result


def _stage(channels_in: int, channels: int, stride: int) -> nn.Sequential:
    first = PreActivationBlock(channels_in, channels, stride, is_first=True)
    rest = (PreActivationBlock(channels, channels, 1, is_first=False) for _ in range(_BLOCKS - 1))
    return nn.Sequential(first, *rest)


class ResNet22(nn.Module):
    """Features of a whole image at about a 64th of its height and width.

    Args:
        in_channels: Channels of the image: 1, or 3 with two heat maps.
        width: Channels of the first stage; each of the five stages doubles it, so that 16 ends in 256.
        padding: Of the first convolution: 0 in Wu et al., 3 in Shen et al.

    Attributes:
        channels: Channels of the features.
    """

    def __init__(self, *, in_channels: int = 1, width: int = 16, padding: int = 0) -> None:
        super().__init__()
        widths = [width, *(width * 2**stage for stage in range(_STAGES))]
        self.stem = nn.Conv2d(in_channels, width, 7, 2, padding, bias=False)
        self.pool = nn.MaxPool2d(3, 2)
        self.stages = nn.Sequential(*(_stage(widths[i], widths[i + 1], 1 if i == 0 else 2) for i in range(_STAGES)))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.channels = widths[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) images, 11 pixels or more each way, to (B, channels, h, w) features, none negative."""
        features = self.stages(self.pool(self.stem(images)))
        return nn.functional.relu(self.norm(features), inplace=True)
