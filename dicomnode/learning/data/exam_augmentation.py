"""Random changes of prepared mammograms."""

from __future__ import annotations

import torch
from torch.nn import functional

from dicomnode.learning.data.augmentation import random_affine
from dicomnode.learning.recipes.augmentation import AugmentationSection


def augment_views(images: torch.Tensor, section: AugmentationSection, generator: torch.Generator) -> torch.Tensor:
    """Moved and noisy copies of standardised images; what turns in is background.

    Args:
        images: (B, C, h, w) float32; only the first channel, the image itself, becomes noisy.
        section: Its flips, rotation, scale, shift, stretch and noise; the noise is in units of the standardised image.
        generator: Source of all randomness.
    """
    theta = random_affine(len(images), section, generator)
    floor = images.amin(dim=(2, 3), keepdim=True)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images - floor, grid, mode="bilinear", align_corners=False) + floor
    if section.noise:
        level = section.noise * torch.rand(len(images), 1, 1, 1, generator=generator)
        moved[:, :1] += level * torch.randn(moved[:, :1].shape, generator=generator)
    return moved
