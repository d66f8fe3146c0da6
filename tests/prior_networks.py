"""A network that looks at earlier studies: it says how much brighter the new images are than those of the prior."""

from __future__ import annotations

import torch


class Brighter(torch.nn.Module):
    """Logits of two classes; without a prior both are 0."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor([1.0, -1.0]))

    def forward(self, batch: torch.Tensor, priors: list[torch.Tensor]) -> torch.Tensor:
        if not priors:
            return torch.zeros(len(batch), 2)
        change = batch.mean(dim=(1, 2, 3)) - torch.stack(priors).mean()
        return change[:, None] * self.gain / 100


NETWORK = {"_target_": "tests.prior_networks.Brighter"}
PREPROCESSING = {
    "_target_": "monai.transforms.Compose",
    "transforms": [{"_target_": "monai.transforms.Resize", "spatial_size": [8, 8], "mode": "nearest"}],
}
