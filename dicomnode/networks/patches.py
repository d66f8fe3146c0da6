"""Which places of an image a saliency map points at, in whole pixels of the image, and the image there."""

from __future__ import annotations

import torch
from torch.nn import functional


@torch.no_grad()
def retrieve_patches(saliency: torch.Tensor, size: tuple[int, int], *, count: int, side: int) -> torch.Tensor:
    """The squares with most saliency, chosen greedily (algorithm 1 of Shen et al. 2021).

    The maps of all classes, each stretched to 0..1, are added. A window as large as the patch is moved over the sum;
    where its mean is highest is the next patch, and what it covers counts no more. Of equal windows the first is taken,
    row by row.

    Args:
        saliency: (B, K, h, w).
        size: Height and width of the image in pixels.
        count: Patches per image.
        side: Side of a patch in pixels.

    Returns:
        (B, count, 4) int64 boxes xyxy in pixels of the image, in the order of their choice. A patch that would reach
        beyond the image is moved into it; where the image is smaller than a patch, the box ends with the image.
    """
    cells = (saliency.shape[-2], saliency.shape[-1])
    window = tuple(min(max(round(side * cells[i] / size[i]), 1), cells[i]) for i in (0, 1))
    remaining = _stretched(saliency.float()).sum(dim=1)
    found = []
    for _ in range(count):
        means = functional.avg_pool2d(remaining.unsqueeze(1), window, stride=1).squeeze(1)
        best = means.flatten(1).argmax(dim=1)
        rows, columns = best // means.shape[2], best % means.shape[2]
        remaining = remaining.masked_fill(_covered(rows, columns, window, cells), 0)
        found.append(_boxes(rows, columns, cells, size, side))
    return torch.stack(found, dim=1)


def _stretched(maps: torch.Tensor) -> torch.Tensor:
    """Each map from 0 to 1; one that is the same everywhere points nowhere and becomes 0."""
    lowest, highest = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
    span = highest - lowest
    return (maps - lowest) / torch.where(span > 0, span, torch.ones_like(span))


def _covered(
    rows: torch.Tensor, columns: torch.Tensor, window: tuple[int, ...], cells: tuple[int, int]
) -> torch.Tensor:
    """(B, h, w): True inside the windows whose first cells are ``rows`` and ``columns``, (B,) each."""
    row, column = (torch.arange(count, device=rows.device) for count in cells)
    in_rows = (row >= rows[:, None]) & (row < rows[:, None] + window[0])
    in_columns = (column >= columns[:, None]) & (column < columns[:, None] + window[1])
    return in_rows[:, :, None] & in_columns[:, None, :]


def _boxes(
    rows: torch.Tensor, columns: torch.Tensor, cells: tuple[int, int], size: tuple[int, int], side: int
) -> torch.Tensor:
    tops, lefts = (
        (first.double() * size[i] / cells[i]).round().long().clamp(max=max(size[i] - side, 0))
        for i, first in enumerate((rows, columns))
    )
    rights, bottoms = (lefts + side).clamp(max=size[1]), (tops + side).clamp(max=size[0])
    return torch.stack([lefts, tops, rights, bottoms], dim=1)


def cut_patches(images: torch.Tensor, boxes: torch.Tensor, side: int) -> torch.Tensor:
    """The images inside the boxes.

    Args:
        images: (B, C, H, W).
        boxes: (B, P, 4) integer xyxy in pixels, none larger than ``side``.
        side: Of the patches in pixels; one from a smaller box is filled up with the least value of its image.

    Returns:
        (B, P, C, side, side), value by value those of the images.
    """
    return torch.stack(
        [
            torch.stack([_cut(image, box, side) for box in places])
            for image, places in zip(images, boxes.tolist(), strict=True)
        ]
    )


def _cut(image: torch.Tensor, box: list[int], side: int) -> torch.Tensor:
    left, top, right, bottom = box
    patch = image[:, top:bottom, left:right]
    missing = (0, side - (right - left), 0, side - (bottom - top))
    return functional.pad(patch, missing, value=float(image.detach().min())) if any(missing) else patch
