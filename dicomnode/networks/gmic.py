"""GMIC, the globally-aware multiple instance classifier (Shen et al., Medical Image Analysis 68, 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import nn

from dicomnode.networks.multiple_instance import GatedAttention, logits_of, top_share
from dicomnode.networks.patches import cut_patches, retrieve_patches
from dicomnode.networks.resnet import ResNetBody, ResNetName
from dicomnode.networks.resnet22 import ResNet22

Answer: TypeAlias = dict[str, torch.Tensor]


class Gmic(nn.Module):
    """A small network looks at the whole image, a larger one at the patches that it points to, a third joins both.

    The authors' released network is this one with ``local="resnet18"``: 14,110,322 parameters. Their paper's table says
    15.17 million (ResNet-34: 25.29, ResNet-50: 27.95). It counts the running means and variances of batch norm too, and
    a convolution of 1,048,576 weights that is stored in the released files but read nowhere.

    Args:
        local: Network that looks at the patches.
        classes: Findings that are each present or not; as published benign and malignant, in this order.
        patches: Patches per image.
        patch: Their side in pixels.
        share: Of the saliency map, what counts for the global answer (t of top-t% pooling); 0.02 to 0.1 in the release.
        width: Channels of the global network's first stage.
        local_width: Channels of the local network's first stage.
    """

    def __init__(
        self,
        *,
        local: ResNetName = "resnet18",
        classes: int = 2,
        patches: int = 6,
        patch: int = 256,
        share: float = 0.02,
        width: int = 16,
        local_width: int = 64,
    ) -> None:
        super().__init__()
        self.patches, self.patch, self.share = patches, patch, share
        self.global_network = ResNet22(width=width, padding=3)
        self.saliency = nn.Conv2d(self.global_network.channels, classes, 1, bias=False)
        self.local_network = ResNetBody(local, width=local_width)
        self.attention = GatedAttention(self.local_network.channels)
        self.local_head = nn.Linear(self.local_network.channels, classes, bias=False)
        self.fusion = nn.Linear(self.global_network.channels + self.local_network.channels, classes)

    def forward(self, images: torch.Tensor) -> Answer:
        """Scores, saliency, patches and their weights; in training the logits of each head too.

        Args:
            images: (B, 1, H, W) standardised images of any size from 96 pixels; published 2944 x 1920.

        Returns:
            ``scores`` (B, K) 0..1 of the fusion head; ``saliency`` (B, K, h, w) 0..1, at 2944 x 1920 of 46 x 30 places;
            ``patches`` (B, P, 4) xyxy in whole pixels of the images, and ``attention`` (B, P), which sums to 1. In
            training besides ``global_logits``, ``local_logits`` and ``fusion_logits``, (B, K) each.
        """
        features = self.global_network(images)
        saliency = self.saliency(features).float().sigmoid()
        size = (images.shape[-2], images.shape[-1])
        boxes = retrieve_patches(saliency, size, count=self.patches, side=self.patch)
        local, attention = self.attention(self._look(images, boxes))
        fusion = self.fusion(torch.cat([features.amax(dim=(2, 3)), local], dim=1)).float()
        answer = {
            "scores": fusion.sigmoid(),
            "saliency": saliency,
            "patches": boxes.to(torch.float32),
            "attention": attention,
        }
        if self.training:
            answer["global_logits"] = logits_of(top_share(saliency, self.share))
            answer["local_logits"] = self.local_head(local).float()
            answer["fusion_logits"] = fusion
        return answer

    def _look(self, images: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """(B, P, features) of the images inside the boxes."""
        patches = cut_patches(images, boxes, self.patch)
        features = self.local_network(patches.flatten(0, 1)).mean(dim=(2, 3))
        result: torch.Tensor = features.view(*boxes.shape[:2], -1)
        return result

    @property
    def architecture(self) -> str:
        """Torchvision's name of the local network."""
        return self.local_network.architecture

    def load_body(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take the local network from ImageNet; see :class:`dicomnode.networks.pretraining.TakesImageNet`."""
        self.local_network.load_body(weights)
