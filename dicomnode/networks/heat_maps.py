"""The patch classifier of Wu et al. 2020 and the two heat maps that it draws by sliding over a mammogram."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torchvision.models import DenseNet

from dicomnode.networks.dmv import VIEWS, Answer, DmvCnn

_MALIGNANT, _BENIGN = 0, 1
# torchvision's DenseNet before 0.2.1 named its layers norm.1 and conv.2; its ImageNet weights still do.
_OLD_NAMES = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)")


def densenet_name(name: str) -> str:
    """A DenseNet's tensor by its name of today."""
    return _OLD_NAMES.sub(r"\1", name)


class PatchClassifier(nn.Module):
    """DenseNet-121 (Huang et al., CVPR 2017) that tells what a patch of a mammogram shows.

    Its two strided layers at the entrance pad as the authors' did ("same" of TensorFlow): what is missing is added
    behind the image first.

    Args:
        classes: Number of logits; as published four: malignant, benign, and two kinds of patches without a finding.
        growth: Channels that each dense layer adds.
        blocks: Dense layers of each block.
        stem: Channels of the first convolution.
    """

    def __init__(
        self, *, classes: int = 4, growth: int = 32, blocks: Sequence[int] = (6, 12, 24, 16), stem: int = 64
    ) -> None:
        super().__init__()
        first, second, third, fourth = blocks
        self.body = DenseNet(growth, (first, second, third, fourth), stem, num_classes=classes)
        for layer in (self.body.features.conv0, self.body.features.pool0):
            layer.padding = 0

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(B, 1 or 3, h, w) standardised patches, published 256 x 256, to (B, classes) logits."""
        features = patches.expand(-1, 3, -1, -1)
        for name, layer in self.body.features.named_children():
            if name in ("conv0", "pool0"):
                features = _padded(features, 7 if name == "conv0" else 3)
            features = layer(features)
        logits: torch.Tensor = self.body.classifier(nn.functional.relu(features).mean(dim=(2, 3)))
        return logits

    @property
    def architecture(self) -> str:
        """Torchvision's name of the body."""
        return "densenet121"

    def load_body(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take all but the head; see :class:`dicomnode.networks.pretraining.TakesImageNet`."""
        given = {densenet_name(name): tensor for name, tensor in weights.items()}
        own = self.body.features.state_dict()
        # Weights of that time count no batches.
        kept = {name: given[f"features.{name}"] for name in own if not name.endswith("num_batches_tracked")}
        self.body.features.load_state_dict(own | kept)


def _padded(images: torch.Tensor, kernel: int) -> torch.Tensor:
    """Zeros around images so that a layer of stride 2 gives half of them, rounded up."""
    height, width = (kernel - 2 + images.shape[side] % 2 for side in (-2, -1))
    return nn.functional.pad(images, (width // 2, width - width // 2, height // 2, height - height // 2))


@torch.no_grad()
def heat_maps(
    classifier: nn.Module, image: torch.Tensor, *, patch: int = 256, stride: int = 70, batch: int = 32
) -> torch.Tensor:
    """Probabilities of a benign and a malignant finding at each pixel: the mean over the patches that cover it.

    Patches begin at equal distances of at most ``stride``, the last at the edge. (The authors put a few more, at
    distances drawn by chance.)

    Args:
        classifier: A `PatchClassifier` in evaluation mode.
        image: (1, H, W), standardised.
        patch: Side of the patches in pixels.
        stride: Largest distance between two patches in pixels.
        batch: Patches that are classified together.

    Returns:
        (2, H, W) float32: benign, malignant.
    """
    height, width = image.shape[-2:]
    missing = (0, max(patch - width, 0), 0, max(patch - height, 0))
    image = nn.functional.pad(image, missing, value=float(image.min()))
    places = [(top, left) for top in _starts(height, patch, stride) for left in _starts(width, patch, stride)]
    total = image.new_zeros((3, *image.shape[-2:]), dtype=torch.float32)
    for begin in range(0, len(places), batch):
        chunk = places[begin : begin + batch]
        cut = torch.stack([image[:, top : top + patch, left : left + patch] for top, left in chunk])
        found = classifier(cut).float().softmax(dim=1)[:, [_BENIGN, _MALIGNANT]]
        for (top, left), pair in zip(chunk, found, strict=True):
            total[:2, top : top + patch, left : left + patch] += pair[:, None, None]
            total[2, top : top + patch, left : left + patch] += 1
    return (total[:2] / total[2])[:, :height, :width]


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """First pixels of patches along a side; the last patch ends with it."""
    last = max(length - patch, 0)
    steps = -(-last // stride)
    return [round(last * step / steps) for step in range(steps + 1)] if steps else [0]


class HeatMappedDmvCnn(nn.Module):
    """A `DmvCnn` with heat maps that makes them itself, for an exam of images alone.

    Args:
        classifier: Draws the heat maps; it is not trained here.
        network: Looks at images and heat maps.
        patch: Side of the patches in pixels.
        stride: Largest distance between two patches in pixels.
    """

    def __init__(self, *, classifier: PatchClassifier, network: DmvCnn, patch: int = 256, stride: int = 70) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False)
        self.network = network
        self.patch, self.stride = patch, stride

    def forward(self, views: Mapping[str, torch.Tensor]) -> Answer:
        """(B, 1, h, w) views by name to the answer of the `DmvCnn`."""
        self.classifier.eval()
        mapped = {name: torch.stack([self._mapped(image) for image in views[name]]) for name in VIEWS if name in views}
        answer: Answer = self.network(mapped)
        return answer

    def _mapped(self, image: torch.Tensor) -> torch.Tensor:
        maps = heat_maps(self.classifier, image, patch=self.patch, stride=self.stride)
        return torch.cat([image, maps.to(image.dtype)])
