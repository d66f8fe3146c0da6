"""A network that does to its process what a bright enough image tells it to."""

from __future__ import annotations

import os
import signal

import torch

ABORT, CRASH = 10_000, 20_000


class Poison(torch.nn.Module):
    """Scores of two classes; the highest pixel value of a batch (unscaled) decides what happens before."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        highest = float(batch.max())
        if highest >= CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        if highest >= ABORT:
            os.abort()
        scaled: torch.Tensor = self.layer(batch.mean(dim=(1, 2, 3), keepdim=False)[:, None] / ABORT)
        return scaled


NETWORK = {"_target_": "tests.poison_networks.Poison"}
PREPROCESSING = {
    "_target_": "monai.transforms.Compose",
    "transforms": [{"_target_": "monai.transforms.Resize", "spatial_size": [8, 8], "mode": "nearest"}],
}
