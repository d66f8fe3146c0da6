"""What the cells of a grid detector are taught, and what their answers mean, as DetectNet_v2 has it."""

from __future__ import annotations

import torch

STRIDE = 16
"""Pixels from cell to cell."""

_SCALE = 35.0
"""Pixels; a cell answers with distances to the four edges in this unit."""
_RADIUS = 0.4
"""A lesion covers the cells in an ellipse in its middle, with this share of the box's sides as radii."""
_LEAST_RADIUS = 1.0
"""Cells; of the ellipse of a small lesion."""


def coverage_of(boxes: torch.Tensor, labels: torch.Tensor, shape: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """Which cells each class covers, and the distances to the edges there; of lesions that overlap the smaller wins.

    Args:
        boxes: (N, 4) xyxy in pixels.
        labels: (N,) from 1.
        shape: Classes, rows and columns of the grid.

    Returns:
        (K, rows, columns) 0 or 1, and (K, 4, rows, columns): left, top, right, bottom in units of 35 pixels.
    """
    classes, rows, columns = shape
    covered = boxes.new_zeros(classes, rows, columns)
    edges = boxes.new_zeros(classes, 4, rows, columns)
    x, y = cell_centres(rows, columns, boxes.device)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    for index in areas.argsort(descending=True).tolist():
        box, kind = boxes[index], int(labels[index]) - 1
        left, top, right, bottom = box.unbind()
        across = (_RADIUS * (right - left)).clamp(min=_LEAST_RADIUS * STRIDE)
        down = (_RADIUS * (bottom - top)).clamp(min=_LEAST_RADIUS * STRIDE)
        inside = ((x - (left + right) / 2) / across) ** 2 + ((y - (top + bottom) / 2) / down) ** 2 <= 1
        covered[kind][inside] = 1
        edges[kind][:, inside] = (torch.stack([x - left, y - top, right - x, bottom - y]) / _SCALE)[:, inside]
    return covered, edges


def boxes_of_cells(reach: torch.Tensor) -> torch.Tensor:
    """(rows * columns, 4) xyxy boxes in pixels from one class's (4, rows, columns) distances."""
    x, y = cell_centres(reach.shape[1], reach.shape[2], reach.device)
    left, top, right, bottom = (_SCALE * reach).unbind()
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=-1).reshape(-1, 4)


def cell_centres(rows: int, columns: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, columns) of the x and of the y of each cell's centre in pixels."""
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
