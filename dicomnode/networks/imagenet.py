"""Networks known from ImageNet, with a head for other classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torchvision.models import get_model

from dicomnode.networks.normalisation import Normalisation

Architecture: TypeAlias = Literal["resnet18", "resnet34", "resnet50", "inception_v3", "efficientnet_b0"]

_HEADS = {"efficientnet_b0": "classifier"}
_WITHOUT_AUXILIARY: dict[str, Any] = {"aux_logits": False, "init_weights": False}


class ImageNetClassifier(nn.Module):
    """A torchvision network whose last layer is replaced.

    Inception-v3 comes without its auxiliary classifier, which answers nothing and only served its first training.

    Args:
        architecture: torchvision's name of the network.
        classes: Number of logits.
        hidden: Units of dense layers, each with a ReLU, between the pooled features and the logits.
        dropout: Probability that a pooled feature is dropped in training.
        mean: Subtracted from each channel of pixels in 0..1; ImageNet's if not given.
        std: What they are then divided by; ImageNet's if not given.
    """

    def __init__(
        self,
        *,
        architecture: Architecture,
        classes: int,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
    ) -> None:
        super().__init__()
        self.architecture: Architecture = architecture
        self.normalisation = Normalisation(mean, std)
        options = _WITHOUT_AUXILIARY if architecture == "inception_v3" else {}
        self.body: nn.Module = get_model(architecture, weights=None, **options)
        setattr(self.body, self._head, _head(_width(getattr(self.body, self._head)), hidden, classes, dropout))

    @property
    def _head(self) -> str:
        return _HEADS.get(self.architecture, "fc")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, h, w) images in 0..1 to (B, classes) logits."""
        logits: torch.Tensor = self.body(self.normalisation(images))
        return logits

    def load_body(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take all but the head and the auxiliary classifier from torchvision's ``weights``.

        Raises:
            KeyError: If they lack a tensor of the body.
            RuntimeError: If a tensor has another shape: they belong to another network.
        """
        own = self.body.state_dict()
        kept = {name: weights[name] for name in own if not name.startswith(f"{self._head}.")}
        self.body.load_state_dict(own | kept)


def original_parameters(architecture: Architecture) -> int:
    """Parameters of torchvision's network with its own head (and Inception's auxiliary one), built without memory."""
    options = {"init_weights": False} if architecture == "inception_v3" else {}
    with torch.device("meta"):
        network: nn.Module = get_model(architecture, weights=None, **options)
    return sum(parameter.numel() for parameter in network.parameters())


def _width(head: nn.Module) -> int:
    """Features that go into the head."""
    return next(layer.in_features for layer in head.modules() if isinstance(layer, nn.Linear))


def _head(width: int, hidden: Sequence[int], classes: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Dropout(dropout)]
    for before, after in pairwise((width, *hidden)):
        layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear((width, *hidden)[-1], classes))
