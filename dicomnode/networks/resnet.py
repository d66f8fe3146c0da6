"""The residual networks of ImageNet without their head, at any width, under torchvision's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

ResNetName: TypeAlias = Literal["resnet18", "resnet34", "resnet50"]

_BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}


class ResNetBody(nn.Module):
    """Features at a 32nd of the image (He et al., CVPR 2016); grey images are repeated for its three channels.

    Args:
        architecture: Which of the published networks.
        width: Channels of the first stage, 64 as published; with 64, ImageNet's weights fit.

    Attributes:
        architecture: As given.
        channels: Channels of the features.
    """

    def __init__(self, architecture: ResNetName, *, width: int = 64) -> None:
        super().__init__()
        self.architecture: ResNetName = architecture
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        block = Bottleneck if architecture == "resnet50" else BasicBlock
        before = width
        for number, blocks in enumerate(_BLOCKS[architecture]):
            planes = width * 2**number
            self.add_module(f"layer{number + 1}", _layer(block, before, planes, blocks, 1 if number == 0 else 2))
            before = planes * block.expansion
        self.channels: int = before
        _initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 1 or 3, H, W) images to (B, channels, ceil(H / 32), ceil(W / 32)) features, none negative."""
        features = self.conv1(images.expand(-1, 3, -1, -1))
        features = self.maxpool(nn.functional.relu(self.bn1(features), inplace=True))
        for number in range(len(_BLOCKS[self.architecture])):
            features = self.get_submodule(f"layer{number + 1}")(features)
        result: torch.Tensor = features
        return result

    def load_body(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take all but the head from torchvision's ``weights`` of this architecture.

        Raises:
            KeyError: If they lack a tensor of the body.
            RuntimeError: If a tensor has another shape: they belong to another network.
        """
        self.load_state_dict({name: weights[name] for name in self.state_dict()})


def _layer(block: type[BasicBlock | Bottleneck], before: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    after = planes * block.expansion
    shortcut = None
    if stride != 1 or before != after:
        shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
    first = block(before, planes, stride, shortcut)
    return nn.Sequential(first, *(block(after, planes) for _ in range(blocks - 1)))


def _initialise(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
