"""What a network must offer to start from weights that others trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch


@runtime_checkable
class TakesImageNet(Protocol):
    """A network with a body known from ImageNet."""

    @property
    def architecture(self) -> str:
        """Torchvision's name of the body."""

    def load_body(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take the body from torchvision's classifier of that name.

        Raises:
            KeyError: If a tensor of the body is missing.
            RuntimeError: If one has another shape.
        """


@runtime_checkable
class TakesCoco(Protocol):
    """A detector that torchvision has trained on COCO."""

    @property
    def coco_name(self) -> str | None:
        """Torchvision's name of the detector; None if it has published none with this backbone."""

    def load_detector(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take all but the class heads from torchvision's detector of that name.

        Raises:
            KeyError: If a tensor is missing.
            RuntimeError: If one has another shape or is unknown.
        """
