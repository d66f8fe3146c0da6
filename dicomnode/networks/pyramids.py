"""Feature pyramids on networks known from ImageNet (Lin et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torchvision.models import get_model
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.ops.misc import FrozenBatchNorm2d

Backbone: TypeAlias = Literal["resnet18", "resnet50", "resnet101", "mobilenet_v3_large"]
Norm: TypeAlias = Literal["frozen", "batch"]

WIDTH = 256
LEVELS = 5
"""Strides 4, 8, 16, 32 and 64, the last by pooling."""

_MOBILE = {"3": 24, "6": 40, "12": 112, "16": 960}
"""Last MobileNetV3 block of each stride and its channels."""

COUNTER = "num_batches_tracked"
"""A batch norm's count of batches, which weights of older versions and frozen norms lack."""


def feature_pyramid(backbone: Backbone, norm: Norm) -> BackboneWithFPN:
    """A pyramid of 256 channels on a body that takes three channels.

    Args:
        backbone: torchvision's name of the body.
        norm: ``frozen`` keeps statistics and scale of the batch norms as they were loaded, as torchvision does, since
            batches of detectors are small; ``batch`` learns them, which a body without weights needs.
    """
    layer: Callable[..., nn.Module] = FrozenBatchNorm2d if norm == "frozen" else nn.BatchNorm2d
    body: Any = get_model(backbone, weights=None, norm_layer=layer)
    if backbone == "mobilenet_v3_large":
        body, channels = body.features, _MOBILE
    else:
        channels = {name: _channels(getattr(body, name)) for name in ("layer1", "layer2", "layer3", "layer4")}
    names = {name: str(level) for level, name in enumerate(channels)}
    return BackboneWithFPN(body, names, list(channels.values()), WIDTH, extra_blocks=LastLevelMaxPool())


def load_pyramid_body(body: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Take the body of a pyramid from torchvision's classifier.

    Raises:
        KeyError: If the weights lack a tensor of the body.
        RuntimeError: If a tensor has another shape.
    """
    prefix = "features." if any(name.startswith("features.") for name in weights) else ""
    own = body.state_dict()
    kept = {name: weights[prefix + name] for name in own if not name.endswith(COUNTER)}
    body.load_state_dict(own | kept)


def _channels(layer: nn.Module) -> int:
    """Channels that come out of a ResNet's layer."""
    block: Any = list(layer.children())[-1]
    last = block.conv3 if hasattr(block, "conv3") else block.conv2
    return int(last.out_channels)
