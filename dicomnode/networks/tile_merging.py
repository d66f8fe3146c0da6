"""Which boxes of overlapping tiles are the same lesion."""

from __future__ import annotations

import torch


def same_lesions(boxes: torch.Tensor, tiles: torch.Tensor, labels: torch.Tensor, agreement: float) -> list[list[int]]:
    """Groups of boxes that show one lesion, each with its strongest first.

    Two boxes are one lesion if they have the same label, come from different tiles, and agree where both tiles look: a
    tile shows only a part of what lies across its border, and that part is what its neighbour shows there.

    Args:
        boxes: (N, 4) xyxy in pixels of the image, the strongest first.
        tiles: (N, 4) xyxy of the tile that each comes from.
        labels: (N,).
        agreement: Lowest intersection over union inside the part that both tiles show.
    """
    matches = _agree(boxes, tiles) >= agreement
    matches &= (labels[:, None] == labels[None]) & (tiles[:, None] != tiles[None]).any(dim=2)
    table: list[list[bool]] = matches.tolist()
    groups: list[list[int]] = []
    for index, row in enumerate(table):
        own = next((group for group in groups if any(row[other] for other in group)), None)
        if own is None:
            groups.append([index])
        else:
            own.append(index)
    return groups


def _agree(boxes: torch.Tensor, tiles: torch.Tensor) -> torch.Tensor:
    """(N, N) intersection over union of the boxes, cut to what the tiles of both show; 0 where one lies outside."""
    shared = _intersection(tiles[:, None], tiles[None])
    one, other = _intersection(boxes[:, None], shared), _intersection(boxes[None], shared)
    both = _area(_intersection(one, other))
    union = _area(one) + _area(other) - both
    return both / union.clamp(min=1e-6)


def _intersection(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])], dim=-1)


def _area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
