"""ResNet at full resolution, the plain networks that GMIC is compared with (Shen et al. 2021, table 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from torch import nn

from dicomnode.networks.multiple_instance import logits_of, top_share
from dicomnode.networks.resnet import ResNetBody, ResNetName

Answer: TypeAlias = dict[str, torch.Tensor]


class FullResolutionResNet(nn.Module):
    """A ResNet on the whole image, under a dense layer or under saliency maps.

    With ResNet-34 both heads come to the 21.30 million of the paper's table, which counts the running means and
    variances of batch norm; 21,285,698 parameters with a dense layer and 21,285,696 with maps are trained.

    Args:
        architecture: Which ResNet.
        head: ``fc``: the features' mean and a dense layer. ``conv1x1``: a map for each class and top-t% pooling.
        classes: Findings that are each present or not; as published benign and malignant, in this order.
        share: Of a map, what counts for the answer.
        width: Channels of the first stage.
    """

    def __init__(
        self,
        *,
        architecture: ResNetName = "resnet34",
        head: Literal["fc", "conv1x1"],
        classes: int = 2,
        share: float = 0.02,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.share = share
        self.body = ResNetBody(architecture, width=width)
        self.fc = nn.Linear(self.body.channels, classes) if head == "fc" else None
        self.saliency = nn.Conv2d(self.body.channels, classes, 1, bias=False) if head == "conv1x1" else None

    def forward(self, images: torch.Tensor) -> Answer:
        """(B, 1, H, W) standardised images to ``scores`` (B, K) 0..1.

        With maps also ``saliency`` (B, K, h, w) 0..1; in training ``image_logits`` (B, K).
        """
        features = self.body(images)
        answer: Answer = {}
        if self.fc is not None:
            logits = self.fc(features.mean(dim=(2, 3))).float()
        elif self.saliency is not None:
            answer["saliency"] = self.saliency(features).float().sigmoid()
            logits = logits_of(top_share(answer["saliency"], self.share))
        answer["scores"] = logits.sigmoid()
        return answer | ({"image_logits": logits} if self.training else {})

    @property
    def architecture(self) -> str:
        """Torchvision's name of the body."""
        return self.body.architecture

    def load_body(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take the body from ImageNet; see :class:`dicomnode.networks.pretraining.TakesImageNet`."""
        self.body.load_body(weights)
