"""Several networks that look at the same image and answer together; trained one by one, then put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from torchvision.ops import box_iou

from dicomnode.networks.detector import Detections, Target


class ClassifierEnsemble(nn.Module):
    """Mean of the logits of several classifiers.

    Args:
        members: Each takes (B, C, h, w) images and gives (B, K) logits of the same classes.
    """

    def __init__(self, *, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) float images to (B, K) logits."""
        return torch.stack([member(images) for member in self.members]).mean(dim=0)


class DetectorEnsemble(nn.Module):
    """Boxes of several detectors fused: those that agree become one, which lies and scores in their mean.

    Weighted boxes fusion (Solovyev et al., Image and Vision Computing 2021): a box that only one of the members saw
    keeps its place and loses score.

    Args:
        members: Detectors of the same classes; each takes a list of (C, h, w) images and gives detections.
        overlap: Boxes of a class with at least this intersection over union are the same lesion.
        min_score: Boxes with a lower score are not returned.
        max_detections: Boxes returned per image at most.
    """

    def __init__(
        self, *, members: Sequence[nn.Module], overlap: float = 0.5, min_score: float = 0.02, max_detections: int = 10
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.overlap, self.min_score, self.max_detections = overlap, min_score, max_detections

    def forward(self, images: Sequence[torch.Tensor], targets: list[Target] | None = None) -> Detections:
        """Per image ``boxes`` (N, 4) xyxy in its pixels, ``labels`` (N,), ``scores`` (N,), ``masks`` (N, 1, h, w).

        Raises:
            ValueError: With targets; members are trained one by one.
        """
        if targets is not None:
            raise ValueError("a detector ensemble is put together of trained members, not trained itself")
        answers = [member(images) for member in self.members]
        return [self._fused([answer[index] for answer in answers]) for index in range(len(images))]

    def _fused(self, answers: Sequence[Target]) -> Target:
        groups = _same_lesions(answers, self.overlap)
        boxes = torch.cat([answer["boxes"] for answer in answers])
        scores = torch.cat([answer["scores"] for answer in answers])
        masks = torch.cat([answer["masks"] for answer in answers])
        labels = torch.cat([answer["labels"] for answer in answers])
        fused = {
            "boxes": boxes.new_zeros((len(groups), 4)),
            "labels": labels.new_zeros(len(groups)),
            "scores": scores.new_zeros(len(groups)),
            "masks": masks.new_zeros((len(groups), *masks.shape[1:])),
        }
        for place, group in enumerate(groups):
            shares = scores[group.rows] / scores[group.rows].sum()
            fused["boxes"][place] = (boxes[group.rows] * shares[:, None]).sum(dim=0)
            fused["labels"][place] = labels[group.rows[0]]
            fused["scores"][place] = scores[group.rows].sum() / len(self.members)
            fused["masks"][place] = (masks[group.rows] * shares[:, None, None, None]).sum(dim=0)
        order = fused["scores"].argsort(descending=True)[: self.max_detections]
        kept = order[fused["scores"][order] >= self.min_score]
        return {name: values[kept] for name, values in fused.items()}


@dataclass(slots=True)
class _Lesion:
    """Rows of boxes that show one lesion, at most one of each member.

    Attributes:
        label: Class of all of them.
        box: (4,) of the strongest.
        rows: Into the boxes of all members, one after the other.
        members: Which gave one.
    """

    label: int
    box: torch.Tensor
    rows: list[int] = field(default_factory=list)
    members: set[int] = field(default_factory=set)


def _same_lesions(answers: Sequence[Target], overlap: float) -> list[_Lesion]:
    """Each box joins the lesion of its class that it overlaps most, unless its member gave one already."""
    entries = [
        (float(score), row, member)
        for member, answer in enumerate(answers)
        for row, score in enumerate(answer["scores"], start=sum(len(before["scores"]) for before in answers[:member]))
    ]
    boxes = torch.cat([answer["boxes"] for answer in answers])
    labels: list[int] = torch.cat([answer["labels"] for answer in answers]).tolist()
    lesions: list[_Lesion] = []
    for _, row, member in sorted(entries, key=lambda entry: -entry[0]):
        open_ones = [lesion for lesion in lesions if lesion.label == labels[row] and member not in lesion.members]
        lesion = _nearest(open_ones, boxes[row], overlap)
        if lesion is None:
            lesion = _Lesion(labels[row], boxes[row])
            lesions.append(lesion)
        lesion.rows.append(row)
        lesion.members.add(member)
    return lesions


def _nearest(lesions: Sequence[_Lesion], box: torch.Tensor, overlap: float) -> _Lesion | None:
    if not lesions:
        return None
    overlaps = box_iou(box[None], torch.stack([lesion.box for lesion in lesions]))[0]
    best = int(overlaps.argmax())
    return lesions[best] if float(overlaps[best]) >= overlap else None
