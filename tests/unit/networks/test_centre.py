"""The dense detector: what it learns, how its maps become boxes, and what it gives where there is nothing."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import box_iou

from dicomnode.networks import CentreDetector
from dicomnode.networks.centre_maps import Maps, boxes_at_places, centre_losses
from dicomnode.networks.detector import Target


def _drawn(count: int, generator: torch.Generator) -> tuple[list[torch.Tensor], list[Target]]:
    """Bright (label 1) and dark (label 2) squares on grey."""
    images, targets = [], []
    for index in range(count):
        left, top = torch.randint(4, 36, (2,), generator=generator).tolist()
        image = torch.full((1, 64, 64), 0.5) + 0.02 * torch.randn(1, 64, 64, generator=generator)
        mask = torch.zeros(1, 64, 64, dtype=torch.uint8)
        mask[0, top : top + 22, left : left + 20] = 1
        label = index % 2 + 1
        image[mask.bool()] = 1.0 if label == 1 else 0.0
        box = torch.tensor([[left, top, left + 20, top + 22]], dtype=torch.float32)
        images.append(image)
        targets.append({"boxes": box, "labels": torch.tensor([label]), "masks": mask})
    return images, targets


@pytest.fixture(scope="module")
def trained() -> CentreDetector:
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(3)
    network = CentreDetector(classes=2, width=8, channels=16, mean=0.5)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.006)
    network.train()
    for _ in range(60):
        losses = network(*_drawn(8, generator))
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def test_it_learns_where_lesions_are_and_of_which_kind(trained: CentreDetector) -> None:
    images, targets = _drawn(8, torch.Generator().manual_seed(99))
    with torch.inference_mode():
        found = trained(images)
    for given, target in zip(found, targets, strict=True):
        assert given["labels"][0] == target["labels"][0]
        assert box_iou(given["boxes"][:1], target["boxes"]).item() > 0.5
        assert (given["scores"].diff() <= 0).all()
        pixels = given["masks"][0, 0] > 0.5
        overlap = (pixels & target["masks"][0].bool()).sum() / (pixels | target["masks"][0].bool()).sum()
        assert overlap > 0.5


def test_a_mirrored_image_has_the_mirrored_answer(trained: CentreDetector) -> None:
    images, _ = _drawn(1, torch.Generator().manual_seed(5))
    with torch.inference_mode():
        plain, mirrored = trained([images[0], images[0].flip(-1)])
    turned = plain["boxes"][:, [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1]) + torch.tensor([64.0, 0, 64, 0])
    assert torch.allclose(turned[:1], mirrored["boxes"][:1], atol=1e-2)
    assert torch.allclose(plain["scores"][:1], mirrored["scores"][:1], atol=1e-4)


def test_images_of_any_size_come_back_with_masks_of_their_size(trained: CentreDetector) -> None:
    with torch.inference_mode():
        first, second = trained([torch.rand(1, 50, 70), torch.rand(1, 64, 33)])
    assert first["masks"].shape[1:] == (1, 50, 70)
    assert second["masks"].shape[1:] == (1, 64, 33)
    assert (second["boxes"] <= torch.tensor([33.0, 64, 33, 64])).all()


def test_an_image_without_lesions_pulls_scores_down_and_nothing_else() -> None:
    network = CentreDetector(classes=1, width=8, channels=8).train()
    nothing: Target = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 64, 64, dtype=torch.uint8),
    }
    losses = network([torch.rand(1, 64, 64)] * 2, [nothing, nothing])
    assert losses["kind"] > 0
    assert losses["box"] == 0
    torch.stack(list(losses.values())).sum().backward()


def test_the_smaller_of_two_lesions_answers_where_both_could() -> None:
    boxes = torch.tensor([[0.0, 0, 64, 64], [24, 24, 40, 40]])
    target: Target = {
        "boxes": boxes,
        "labels": torch.tensor([1, 2]),
        "masks": torch.zeros(2, 64, 64, dtype=torch.uint8),
    }
    maps = Maps(torch.full((1, 2, 8, 8), -5.0), torch.full((1, 4, 8, 8), 8.0), torch.zeros(1, 1, 16, 16))
    maps.classes.requires_grad_()
    centre_losses(maps, [target])["kind"].backward()
    gradient = maps.classes.grad
    assert gradient is not None
    # A negative gradient raises the score: at the middle the small lesion's, a little off it the large one's.
    assert gradient[0, 1, 3, 3] < 0 < gradient[0, 0, 3, 3]
    assert gradient[0, 0, 3, 2] < 0 < gradient[0, 1, 3, 2]


def test_a_reach_is_counted_from_the_middle_of_its_place() -> None:
    boxes = boxes_at_places(torch.tensor([1.0, 2, 3, 4])[:, None, None].expand(4, 2, 2))
    assert boxes[0].tolist() == [3, 2, 7, 8]
    assert boxes[3].tolist() == [11, 10, 15, 16]
