"""Losses of the networks that look at mammograms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

Answer = Mapping[str, torch.Tensor]


def image_loss(answer: Answer, truths: torch.Tensor, saliency_l1: float) -> torch.Tensor:
    """Cross entropy of every head plus the saliency maps' L1 norm, both per image (Shen et al. 2021, equation 10).

    Args:
        answer: Of a network in training: (B, K) logits of each head, and ``saliency`` (B, K, h, w) if it has it.
        truths: (B, K) 0 or 1.
        saliency_l1: Weight of the norm.
    """
    losses = [_per_image(logits, truths) for logits in _heads(answer)]
    if saliency_l1 and "saliency" in answer:
        losses.append(saliency_l1 * answer["saliency"].float().abs().sum() / len(truths))
    return torch.stack(losses).sum()


def exam_loss(answer: Answer, truths: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy over heads, breasts and classes.

    Args:
        answer: Of a network in training: (B, 2, K) logits of each head.
        truths: (B, 2, K) 0 or 1.
    """
    losses = [functional.binary_cross_entropy_with_logits(logits.float(), truths) for logits in _heads(answer)]
    return torch.stack(losses).mean()


def category_loss(answer: Answer, truths: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy over heads of categories that exclude each other.

    Args:
        answer: Of a network in training: (B, K) logits of each head.
        truths: (B, 2, K) 0 or 1, the same for both sides.
    """
    labels = truths[:, 0].argmax(dim=1)
    return torch.stack([functional.cross_entropy(logits.float(), labels) for logits in _heads(answer)]).mean()


def _heads(answer: Answer) -> list[torch.Tensor]:
    return [value for name, value in answer.items() if name.endswith("_logits")]


def _per_image(logits: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(logits.float(), truths, reduction="sum") / len(truths)
