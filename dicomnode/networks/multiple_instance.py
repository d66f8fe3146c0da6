"""From many places of an image to one answer: top-t pooling, and gated attention over patches."""

from __future__ import annotations

import torch
from torch import nn


def top_share(maps: torch.Tensor, share: float) -> torch.Tensor:
    """Mean of the highest values of each map (top-t% pooling, Shen et al. 2021).

    Args:
        maps: (B, K, h, w).
        share: Of the places of a map, above 0 up to 1; one place counts at least.

    Returns:
        (B, K).
    """
    flat = maps.flatten(2)
    count = max(round(flat.shape[2] * share), 1)
    return flat.topk(count, dim=2).values.mean(dim=2)


def logits_of(probabilities: torch.Tensor) -> torch.Tensor:
    """Logits of probabilities, in float32; none is infinite."""
    return torch.logit(probabilities.float(), eps=1e-6)


class GatedAttention(nn.Module):
    """Weights the instances of a bag and averages them (Ilse et al., "Attention-based deep MIL", ICML 2018).

    Args:
        features: Length of an instance's vector.
        hidden: Length of the vectors that the attention compares.
    """

    def __init__(self, features: int, hidden: int = 128) -> None:
        super().__init__()
        self.content = nn.Linear(features, hidden, bias=False)
        self.gate = nn.Linear(features, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, instances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, P, features) to their weighted mean (B, features) and the weights (B, P), which sum to 1."""
        gated = torch.tanh(self.content(instances)) * torch.sigmoid(self.gate(instances))
        weights = self.score(gated).squeeze(-1).float().softmax(dim=1)
        return (weights.unsqueeze(-1) * instances).sum(dim=1), weights
