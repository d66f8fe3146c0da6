"""Random changes of a whole batch at once; image by image MONAI transforms cost more than the network's step does."""

from __future__ import annotations

import math

import torch
from torch.nn import functional
from torchvision.transforms import v2

from dicomnode.learning.recipes.augmentation import AugmentationSection


def augment(
    images: torch.Tensor, section: AugmentationSection, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Changed copies of the images and the affine maps that moved them.

    Args:
        images: (B, C, h, w) float, values about 0..1; standardised ones are only moved, never changed in intensity.
        section: Which changes, how large.
        generator: Source of all randomness.

    Returns:
        The images, and (B, 2, 3) maps from output to input in ``affine_grid``'s coordinates (x, y in -1..1).
    """
    theta = random_affine(len(images), section, generator)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, mode="bilinear", padding_mode=section.border, align_corners=False)
    return (_change_intensity(moved, section, generator) if _changes_intensity(section) else moved), theta


def _changes_intensity(section: AugmentationSection) -> bool:
    return any(getattr(section, name) for name in ("gamma", "gain", "contrast", "bias", "noise", "blur", "hue"))


def mixers(section: AugmentationSection, classes: int) -> tuple[v2.Transform, ...]:
    """Torchvision's mixup and CutMix as far as the recipe asks for them; they draw from torch's global generator."""
    made: list[v2.Transform] = []
    if section.mixup:
        made.append(v2.MixUp(alpha=section.mixup, num_classes=classes))
    if section.cutmix:
        made.append(v2.CutMix(alpha=section.cutmix, num_classes=classes))
    return tuple(made)


def random_affine(count: int, section: AugmentationSection, generator: torch.Generator) -> torch.Tensor:
    """(count, 2, 3) maps from output to input: flip, rotation, magnification, stretch and shift."""
    draw = _Draws(count, generator)
    angle = draw.around_zero(math.radians(section.rotation_degrees))
    if section.quarter_turns:
        angle = angle + math.pi / 2 * draw.between(0, 4).floor()
    low, high = section.scale
    zoom = torch.exp(draw.between(math.log(low), math.log(high)))
    stretch = 1 + draw.around_zero(section.stretch)
    mirror = torch.where(draw.between(0, 1) < section.flip, -1.0, 1.0)
    upside = torch.where(draw.between(0, 1) < section.flip_vertical, -1.0, 1.0) if section.flip_vertical else 1.0
    rows = torch.stack([torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)], dim=1)
    matrix = rows.reshape(-1, 2, 2) / zoom[:, None, None]
    matrix = matrix * torch.stack([mirror * stretch, upside / stretch], dim=1)[:, None, :]
    shift = torch.stack([draw.around_zero(2 * section.shift), draw.around_zero(2 * section.shift)], dim=1)
    return torch.cat([matrix, shift[:, :, None]], dim=2)


class _Draws:
    """Uniform random numbers, one per image."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self._count = count
        self._generator = generator

    def between(self, low: float, high: float) -> torch.Tensor:
        return torch.rand(self._count, generator=self._generator) * (high - low) + low

    def around_zero(self, largest: float) -> torch.Tensor:
        return self.between(-largest, largest)


def _change_intensity(images: torch.Tensor, section: AugmentationSection, generator: torch.Generator) -> torch.Tensor:
    draw = _Draws(len(images), generator)
    spread = (-1, 1, 1, 1)
    images = images.clamp(0, 1) ** torch.exp(draw.around_zero(section.gamma)).view(spread)
    images = images * (1 + draw.around_zero(section.gain).view(spread)) * _bias(images, section, draw)
    if section.hue:
        images = _stain(images, section, generator)
    if section.contrast:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = mean + (images - mean) * (1 + draw.around_zero(section.contrast).view(spread))
    if section.blur:
        chosen = (draw.between(0, 1) < section.blur).view(spread)
        images = torch.where(chosen, functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False), images)
    if section.noise:
        level = draw.between(0, section.noise).view(spread)
        images = images + level * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1)


def _stain(images: torch.Tensor, section: AugmentationSection, generator: torch.Generator) -> torch.Tensor:
    """Each channel's optical density times its own factor, as another stain or lamp would give."""
    factors = 1 + section.hue * (2 * torch.rand(images.shape[:2], generator=generator) - 1)
    return images.clamp(1 / 255, 1) ** factors[:, :, None, None]


def _bias(images: torch.Tensor, section: AugmentationSection, draw: _Draws) -> torch.Tensor:
    height, width = images.shape[-2:]
    down = draw.around_zero(section.bias)[:, None, None] * torch.linspace(-1, 1, height)[None, :, None]
    across = draw.around_zero(section.bias)[:, None, None] * torch.linspace(-1, 1, width)[None, None, :]
    return (1 + down + across)[:, None]


def ellipses(boxes: torch.Tensor, theta: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The ellipses inscribed in the boxes of one image after ``theta`` moved it: their bounding boxes and masks.

    A box says little of a lesion's outline; its inscribed ellipse is the best guess, and unlike the box it keeps a
    tight bounding box under rotation.

    Args:
        boxes: (N, 4) xyxy in pixels of the unmoved image.
        theta: (2, 3) from output to input in ``affine_grid``'s coordinates.
        height: Of the image in pixels.
        width: Of the image in pixels.

    Returns:
        (N, 4) xyxy boxes clipped to the image, and (N, h, w) uint8 masks.
    """
    size = torch.tensor([width, height], dtype=torch.float32)
    # affine_grid's coordinates to pixels, corners at pixel edges: u = (x + 1) / 2 * size.
    matrix = theta[:, :2] * size[:, None] / size[None, :]
    shift = size / 2 * (theta[:, 2] + 1) - matrix @ (size / 2)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = (boxes[:, 2:] - boxes[:, :2]) / 2
    inverse = torch.linalg.inv(matrix)
    moved = (centres - shift) @ inverse.T
    extents = torch.sqrt(((inverse[None] * halves[:, None, :]) ** 2).sum(dim=2))
    corners = torch.cat([moved - extents, moved + extents], dim=1)
    corners = torch.minimum(corners.clamp(min=0), torch.cat([size, size]))
    ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    source = torch.stack([xs, ys], dim=-1) @ matrix.T + shift
    inside = ((source[None] - centres[:, None, None]) / halves[:, None, None]).square().sum(-1) <= 1
    return corners, inside.to(torch.uint8)
