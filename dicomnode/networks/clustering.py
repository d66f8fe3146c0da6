"""Many boxes of the same lesion become one, by density or by overlap."""

from __future__ import annotations

import torch
from torchvision.ops import box_iou, nms


def density_clusters(
    boxes: torch.Tensor, weights: torch.Tensor, radius: float, least: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """DBSCAN (Ester et al., KDD 1996) with 1 - IoU as the distance, as DetectNet_v2 clusters its boxes.

    Args:
        boxes: (N, 4) xyxy.
        weights: (N,) above 0, the coverage of each box's cell.
        radius: Boxes closer than this are neighbours.
        least: Weight of a neighbourhood that begins a cluster.

    Returns:
        (M, 4) weighted mean box of each cluster and (M,) its largest weight, the strongest first.
    """
    # scikit-learn takes a second to import, which a node that runs no such detector need not wait for.
    from sklearn.cluster import DBSCAN

    if not len(boxes):
        return boxes, weights
    distances = (1 - box_iou(boxes, boxes)).clamp(min=0).cpu().numpy()
    found = DBSCAN(eps=radius, min_samples=1, metric="precomputed")
    names = found.fit(distances, sample_weight=(weights / least).cpu().numpy()).labels_
    labels = torch.from_numpy(names).to(boxes.device)
    chosen = [labels == name for name in range(int(labels.max()) + 1)]
    if not chosen:
        return boxes[:0], weights[:0]
    means = torch.stack([(boxes[own] * weights[own, None]).sum(dim=0) / weights[own].sum() for own in chosen])
    scores = torch.stack([weights[own].max() for own in chosen])
    order = scores.argsort(descending=True, stable=True)
    return means[order], scores[order]


def strongest_apart(boxes: torch.Tensor, scores: torch.Tensor, overlap: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes of which no two have a higher intersection over union than ``overlap``, the strongest first."""
    kept = nms(boxes, scores, overlap)
    return boxes[kept], scores[kept]
