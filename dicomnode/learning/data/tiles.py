"""Random tiles of images too large to train on as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from dicomnode.learning.data.pictures import processed_boxes
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.recipes.recipe import TilesSection

_LEAST_VISIBLE = 0.25
"""Share of a lesion's box that a tile must show for the lesion to count; less tells nobody what it is."""


@dataclass(frozen=True, slots=True)
class View:
    """What a training step is shown of a picture.

    Attributes:
        image: (C, h, w) float32.
        affine: (4, 4) float64 from its pixel indices (row, column) to those of the picture.
        sample: The picture, with the lesions that are to be found in the image.
    """

    image: torch.Tensor
    affine: torch.Tensor
    sample: Sample


def random_tile(view: View, section: TilesSection, generator: torch.Generator) -> View:
    """A tile of an image: with a chance of ``lesion_share`` one that shows a lesion, else anywhere.

    Args:
        view: The whole image; filled with black where it is smaller than a tile.
        section: Size and share.
        generator: Source of all randomness.
    """
    boxes = processed_boxes(torch.tensor(view.sample.boxes).reshape(-1, 4), view.affine)
    draws = torch.rand(4, generator=generator)
    on_lesion = len(boxes) > 0 and bool(draws[0] < section.lesion_share)
    middle = None
    if on_lesion:
        box = boxes[int(draws[1] * len(boxes))]
        middle = (box[:2] + box[2:]) / 2
    spans = zip((1, 0), view.image.shape[-2:], section.size, (draws[2], draws[3]), strict=True)
    top, left = (
        _start(length, size, None if middle is None else float(middle[axis]), float(draw))
        for axis, length, size, draw in spans
    )
    return _cut(view, boxes, top, left, section.size)


def _start(length: int, size: int, middle: float | None, draw: float) -> int:
    """First row or column of the tile; the lesion's middle comes to lie anywhere but on the tile's edge."""
    if middle is None:
        return int(draw * (max(0, length - size) + 1))
    return min(max(0, round(middle - size * (0.15 + 0.7 * draw))), max(0, length - size))


def _cut(view: View, boxes: torch.Tensor, top: int, left: int, size: tuple[int, int]) -> View:
    piece = view.image[:, top : top + size[0], left : left + size[1]]
    image = functional.pad(piece, (0, size[1] - piece.shape[2], 0, size[0] - piece.shape[1]))
    offset = torch.eye(4, dtype=torch.float64)
    offset[0, 3], offset[1, 3] = top, left
    ends = boxes.new_tensor([left, top, left + size[1], top + size[0]])
    shown = torch.cat([torch.maximum(boxes[:, :2], ends[:2]), torch.minimum(boxes[:, 2:], ends[2:])], dim=1)
    share = _area(shown) / _area(boxes).clamp(min=1e-6)
    kept = [index for index, value in enumerate(share.tolist()) if value >= _LEAST_VISIBLE]
    return View(image, view.affine @ offset, _with_lesions(view.sample, kept))


def _area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)


def _with_lesions(sample: Sample, kept: list[int]) -> Sample:
    return replace(
        sample,
        boxes=tuple(sample.boxes[index] for index in kept),
        box_labels=tuple(sample.box_labels[index] for index in kept),
        shapes=tuple(sample.shapes[index] for index in kept) if sample.shapes else (),
    )
