"""The plain convolutional networks of the published studies; each takes images in 0..1 and gives logits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from dicomnode.networks.normalisation import Normalisation


class BrainMriCnn(nn.Module):
    """Six convolutions, one pooling and two dense layers; at 224 px nearly all its weights are in the first of these.

    Args:
        size: Height and width of the image in pixels, even.
        classes: Number of logits.
        in_channels: Channels of the image.
        channels: Of each 3x3 convolution, in order.
        hidden: Units of the two dense layers.
        first_dropout: Probability of dropping a value after the first convolution in training.
        dropout: Likewise after the first dense layer.
    """

    def __init__(
        self,
        *,
        size: int,
        classes: int,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 16, 32, 32, 64, 64),
        hidden: tuple[int, int] = (128, 256),
        first_dropout: float = 0.0,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise((in_channels, *channels))):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
            if number == 0:
                layers.append(nn.Dropout(first_dropout))
        self.features = nn.Sequential(*layers, nn.MaxPool2d(2))
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels[-1] * (size // 2) ** 2, hidden[0]),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden[0], hidden[1]),
            nn.ReLU(inplace=True),
            nn.Linear(hidden[1], classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, size, size) to (B, classes) logits."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits


class ChestCtCnn(nn.Module):
    """Five blocks of convolution, batch norm, ReLU and pooling, then three dense layers.

    Args:
        size: Height and width of the image in pixels, a multiple of 32.
        classes: Number of logits.
        in_channels: Channels of the image, 1 for grey.
        channels: Of each 3x3 convolution, in order.
        hidden: Units of the two dense layers before the last.
        mean: Subtracted from each channel of pixels in 0..1.
        std: What they are then divided by.
    """

    def __init__(
        self,
        *,
        size: int,
        classes: int,
        in_channels: int = 1,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
        hidden: tuple[int, int] = (512, 256),
        mean: Sequence[float] = (0.5,),
        std: Sequence[float] = (0.5,),
    ) -> None:
        super().__init__()
        self.normalisation = Normalisation(mean, std)
        self.features = nn.Sequential(*(self._block(*pair) for pair in pairwise((in_channels, *channels))))
        self.head = nn.Sequential(
            nn.Dropout2d(0.15),
            nn.Flatten(),
            nn.Linear(channels[-1] * (size // 2 ** len(channels)) ** 2, hidden[0]),
            nn.ReLU(inplace=True),
            nn.Dropout(0.4),
            nn.Linear(hidden[0], hidden[1]),
            nn.ReLU(inplace=True),
            nn.Dropout(0.25),
            nn.Linear(hidden[1], classes),
        )

    @staticmethod
    def _block(before: int, after: int) -> nn.Sequential:
        convolution = nn.Conv2d(before, after, 3, padding=1)
        return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True), nn.MaxPool2d(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, size, size) to (B, classes) logits."""
        logits: torch.Tensor = self.head(self.features(self.normalisation(images)))
        return logits


class HistologyCnn(nn.Module):
    """Three times convolution and pooling, one dense layer.

    Args:
        size: Height and width of the image in pixels.
        classes: Number of logits.
        in_channels: Channels of the image.
        channels: Of each 3x3 convolution, in order.
        hidden: Units of the dense layer.
    """

    def __init__(
        self,
        *,
        size: int,
        classes: int,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 128),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((in_channels, *channels)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels[-1] * (size // 2 ** len(channels)) ** 2, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, size, size) to (B, classes) logits."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits


class BloodCellCnn(nn.Module):
    """Two 5x5 convolutions with pooling and three dense layers.

    Args:
        size: Height and width of the image in pixels, 16 or more.
        classes: Number of logits.
        in_channels: Channels of the image.
        channels: Of the two convolutions.
        hidden: Units of the two dense layers before the last.
    """

    def __init__(
        self,
        *,
        size: int,
        classes: int,
        in_channels: int = 3,
        channels: tuple[int, int] = (6, 16),
        hidden: tuple[int, int] = (120, 84),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((in_channels, *channels)):
            layers += [nn.Conv2d(before, after, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            size = (size - 4) // 2
        self.normalisation = Normalisation((0.5,) * in_channels, (0.5,) * in_channels)
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels[-1] * size**2, hidden[0]),
            nn.ReLU(inplace=True),
            nn.Linear(hidden[0], hidden[1]),
            nn.ReLU(inplace=True),
            nn.Linear(hidden[1], classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, size, size) to (B, classes) logits."""
        logits: torch.Tensor = self.head(self.features(self.normalisation(images)))
        return logits
