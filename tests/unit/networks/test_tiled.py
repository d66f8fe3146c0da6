"""Whole images are answered from overlapping tiles, each lesion once, wherever the borders lie."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from dicomnode.networks import LesionDetector, TiledDetector
from dicomnode.networks.tile_merging import same_lesions
from dicomnode.networks.tiled import tile_starts


class Bright(nn.Module):
    """Gives the box and mask around all pixels above 0.5 of each image, as a detector that makes no error would."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0

    def forward(self, images: Sequence[torch.Tensor], targets: object = None) -> list[dict[str, torch.Tensor]]:
        self.looked += len(images)
        return [self._of(image[0] > 0.5) for image in images]

    def _of(self, bright: torch.Tensor) -> dict[str, torch.Tensor]:
        rows, columns = torch.nonzero(bright, as_tuple=True)
        if not len(rows):
            return {
                "boxes": torch.zeros(0, 4),
                "labels": torch.zeros(0, dtype=torch.int64),
                "scores": torch.zeros(0),
                "masks": torch.zeros(0, 1, *bright.shape),
            }
        box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
        return {
            "boxes": box[None],
            "labels": torch.tensor([1]),
            "scores": torch.tensor([0.5 + len(rows) / 100_000]),
            "masks": bright[None, None].float(),
        }


@pytest.mark.parametrize(
    ("length", "size", "starts"), [(50, 64, [0]), (64, 64, [0]), (65, 64, [0, 1]), (160, 64, [0, 48, 96])]
)
def test_tiles_cover_a_side_evenly(length: int, size: int, starts: list[int]) -> None:
    assert tile_starts(length, size, 0.25) == starts


@pytest.mark.parametrize("box", [(10, 10, 30, 30), (40, 50, 62, 90), (5, 20, 150, 60), (80, 100, 110, 111)])
def test_a_lesion_across_tiles_is_one(box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    image = torch.zeros(1, 112, 160)
    image[:, top:bottom, left:right] = 1

    with torch.no_grad():
        (found,) = TiledDetector(detector=Bright(), size=64).eval()([image])

    assert found["boxes"].tolist() == [[float(value) for value in box]]
    assert found["labels"].tolist() == [1] and found["masks"].dtype == torch.float16
    assert torch.equal(found["masks"][0].float(), image)


def test_blank_tiles_are_passed_over_and_small_images_filled_up() -> None:
    network = TiledDetector(detector=Bright(), size=[64, 64]).eval()
    blank, small = torch.zeros(1, 200, 200), torch.zeros(1, 40, 50)
    small[:, 20:, 20:] = 1

    (nothing, something) = network([blank, small])

    assert network.detector.looked == 1
    assert not len(nothing["boxes"]) and nothing["masks"].shape == (0, 1, 200, 200)
    assert something["boxes"].tolist() == [[20.0, 20.0, 50.0, 40.0]]


def test_neighbours_and_other_classes_stay_apart() -> None:
    tile = torch.tensor([0.0, 0, 64, 64])
    boxes = torch.tensor([[40.0, 10, 60, 30], [41, 10, 60, 30], [40, 10, 60, 30], [40, 40, 60, 60]])
    tiles = torch.stack([tile, tile + 32, tile + 16, tile + 32])
    tiles[1:, 1::2] = tile[1::2]

    groups = same_lesions(boxes, tiles, torch.tensor([1, 1, 2, 1]), 0.5)

    assert groups == [[0, 1], [2], [3]]


def test_training_passes_tiles_through() -> None:
    torch.manual_seed(0)
    network = TiledDetector(detector=LesionDetector(size=64, classes=1, channels=8, hidden=16), size=64).train()
    target = {
        "boxes": torch.tensor([[10.0, 10, 40, 50]]),
        "labels": torch.tensor([1]),
        "masks": torch.ones(1, 64, 64, dtype=torch.uint8),
    }

    losses = network([torch.rand(1, 64, 64)], [target])

    assert "loss_mask" in losses and all(name.startswith("detector.") for name in network.state_dict())
