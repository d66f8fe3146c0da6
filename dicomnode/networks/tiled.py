"""A detector that looks at images larger than it could take, piece by overlapping piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import nn
from torch.nn import functional

from dicomnode.networks.detector import Detections, Target
from dicomnode.networks.tile_merging import same_lesions


@dataclass(frozen=True, slots=True)
class _Found:
    """A lesion that a tile shows.

    Attributes:
        box: (4,) xyxy in pixels of the image.
        tile: (4,) xyxy of its tile, likewise.
        label: From 1.
        score: 0..1.
        mask: (h, w) of 0..1 around the box, half precision, on the CPU; None without masks.
        corner: Column and row of the mask's first pixel.
    """

    box: torch.Tensor
    tile: torch.Tensor
    label: torch.Tensor
    score: torch.Tensor
    mask: torch.Tensor | None
    corner: tuple[int, int]


class TiledDetector(nn.Module):
    """A detector trained on tiles that answers for whole images.

    What several tiles show of a lesion is joined: two boxes are one lesion if they agree in the part of the image that
    both tiles show. In training the images are tiles already and go through as they are.

    Args:
        detector: Takes a list of images, gives losses in training, else boxes, labels, scores and perhaps masks.
        size: Rows and columns of a tile, or its side.
        overlap: Share of a tile's side that its neighbour shows, too, at least.
        batch: Tiles that go through the detector at once.
        agreement: Lowest IoU of two boxes of one lesion where both tiles look.
        min_contrast: Tiles with a smaller difference between the brightest and the darkest pixel are passed over.
        max_detections: Boxes returned per image at most.
    """

    def __init__(
        self,
        *,
        detector: nn.Module,
        size: int | Sequence[int],
        overlap: float = 0.25,
        batch: int = 4,
        agreement: float = 0.5,
        min_contrast: float = 0.02,
        max_detections: int = 20,
    ) -> None:
        super().__init__()
        self.detector = detector
        self._size = (size, size) if isinstance(size, int) else (size[0], size[1])
        self._overlap, self._batch = overlap, batch
        self._agreement, self._contrast = agreement, min_contrast
        self._most = max_detections

    def forward(self, images: Sequence[torch.Tensor], targets: list[Target] | None = None) -> Target | Detections:
        """The detector's losses in training, else its answer for each whole image.

        Args:
            images: (C, h, w) each, of any size.
            targets: In training only, as the detector wants them.

        Returns:
            In training the losses by name. Else per image ``boxes`` (N, 4) xyxy, ``labels`` (N,), ``scores`` (N,),
            strongest first, and ``masks`` (N, 1, h, w) in half precision on the CPU if the detector gives any.
        """
        if self.training:
            losses: Target = self.detector(images, targets)
            return losses
        return [self._answer(image) for image in images]

    def _answer(self, image: torch.Tensor) -> Target:
        found = list(self._look(image))
        if not found:
            return _nothing(image)
        order = torch.stack([one.score for one in found]).argsort(descending=True, stable=True).tolist()
        found = [found[index] for index in order]
        boxes, tiles = torch.stack([one.box for one in found]), torch.stack([one.tile for one in found])
        labels = torch.stack([one.label for one in found])
        groups = same_lesions(boxes, tiles, labels, self._agreement)[: self._most]
        answer = {
            "boxes": torch.stack([_around(boxes[own]) for own in groups]),
            "labels": torch.stack([labels[own[0]] for own in groups]),
            "scores": torch.stack([found[own[0]].score for own in groups]),
        }
        if found[0].mask is not None:
            answer["masks"] = _pasted([[found[index] for index in own] for own in groups], image)
        return answer

    def _look(self, image: torch.Tensor) -> Iterator[_Found]:
        """What the tiles show, in no order."""
        rows, columns = self._size
        starts = product(
            tile_starts(image.shape[-2], rows, self._overlap), tile_starts(image.shape[-1], columns, self._overlap)
        )
        shown = [(top, left) for top, left in starts if self._shows_something(_cut(image, top, left, self._size))]
        for first in range(0, len(shown), self._batch):
            places = shown[first : first + self._batch]
            outputs = self.detector([_cut(image, *place, self._size) for place in places])
            for (top, left), output in zip(places, outputs, strict=True):
                yield from _of_tile(output, top, left, self._size, image)

    def _shows_something(self, tile: torch.Tensor) -> bool:
        return bool(tile.amax() - tile.amin() >= self._contrast)


def tile_starts(length: int, size: int, overlap: float) -> list[int]:
    """First pixels of the tiles along a side, evenly spread, neighbours overlapping by a share of ``size`` or more."""
    if length <= size:
        return [0]
    step = max(1, round(size * (1 - overlap)))
    gaps = -(-(length - size) // step)
    return [round(index * (length - size) / gaps) for index in range(gaps + 1)]


def _cut(image: torch.Tensor, top: int, left: int, size: tuple[int, int]) -> torch.Tensor:
    """(C, *size) from a place on; black where the image ends before."""
    piece = image[:, top : top + size[0], left : left + size[1]]
    return functional.pad(piece, (0, size[1] - piece.shape[2], 0, size[0] - piece.shape[1]))


def _of_tile(output: Target, top: int, left: int, size: tuple[int, int], image: torch.Tensor) -> Iterator[_Found]:
    height, width = image.shape[-2:]
    ends = [left, top, min(left + size[1], width), min(top + size[0], height)]
    tile = output["boxes"].new_tensor(ends)
    boxes = (output["boxes"] + tile[:2].repeat(2)).clamp(min=0).minimum(tile[2:].repeat(2))
    for index, box in enumerate(boxes):
        if bool((box[2:] <= box[:2]).any()):
            continue  # on what fills the tile up
        corner, mask = (0, 0), None
        if "masks" in output:
            x1, y1 = (int(value) for value in box[:2].floor())
            x2, y2 = (int(value) for value in box[2:].ceil())
            corner, mask = (x1, y1), output["masks"][index, 0, y1 - top : y2 - top, x1 - left : x2 - left].half().cpu()
        yield _Found(box, tile, output["labels"][index], output["scores"][index], mask, corner)


def _pasted(groups: list[list[_Found]], image: torch.Tensor) -> torch.Tensor:
    """(N, 1, h, w): each lesion's masks on the whole image, the strongest value of each pixel."""
    whole = torch.zeros(len(groups), 1, *image.shape[-2:], dtype=torch.float16)
    for canvas, group in zip(whole[:, 0], groups, strict=True):
        for one in group:
            if one.mask is not None:
                x, y = one.corner
                place = canvas[y : y + one.mask.shape[0], x : x + one.mask.shape[1]]
                torch.maximum(place, one.mask, out=place)
    return whole


def _around(boxes: torch.Tensor) -> torch.Tensor:
    """(4,) the box around (N, 4) boxes."""
    return torch.cat([boxes[:, :2].amin(dim=0), boxes[:, 2:].amax(dim=0)])


def _nothing(image: torch.Tensor) -> Target:
    return {
        "boxes": image.new_zeros(0, 4, dtype=torch.float32),
        "labels": image.new_zeros(0, dtype=torch.int64),
        "scores": image.new_zeros(0, dtype=torch.float32),
        "masks": torch.zeros(0, 1, *image.shape[-2:], dtype=torch.float16),
    }
