"""The grid detector: what its cells are taught, how their boxes are joined, and that it learns."""

import pytest
import torch
from torchvision.models import resnet18
from torchvision.ops import box_iou

from dicomnode.networks import DetectNet
from dicomnode.networks.clustering import density_clusters, strongest_apart
from dicomnode.networks.coverage import boxes_of_cells, coverage_of
from dicomnode.networks.pretraining import TakesImageNet


def test_covered_cells_give_the_box_back() -> None:
    boxes = torch.tensor([[8.0, 16.0, 72.0, 112.0], [20.0, 20.0, 30.0, 30.0]])
    covered, edges = coverage_of(boxes, torch.tensor([2, 2]), torch.Size([3, 8, 6]))

    assert covered[1].sum() > 4 and not covered[0].any() and not covered[2].any()
    found = boxes_of_cells(edges[1])[covered[1].flatten().bool()]
    matches = torch.isclose(found[:, None], boxes[None], atol=1e-3).all(dim=2)
    assert bool(matches.any(dim=1).all()) and bool(matches.any(dim=0).all())


def test_a_small_lesion_covers_a_cell() -> None:
    covered, _ = coverage_of(torch.tensor([[30.0, 30.0, 33.0, 33.0]]), torch.tensor([1]), torch.Size([1, 4, 4]))

    assert covered.sum() >= 1


CLOSE = torch.tensor([[10.0, 10, 50, 50], [12, 10, 52, 50], [11, 12, 51, 52], [100, 100, 140, 140]])
WEIGHTS = torch.tensor([0.5, 0.9, 0.5, 0.01])


def test_boxes_of_one_lesion_are_averaged_and_weak_ones_dropped() -> None:
    boxes, scores = density_clusters(CLOSE, WEIGHTS, radius=0.3, least=0.05)

    assert scores.tolist() == pytest.approx([0.9])
    assert boxes[0].tolist() == pytest.approx((CLOSE[:3] * WEIGHTS[:3, None]).sum(0).div(1.9).tolist())
    assert len(density_clusters(CLOSE, WEIGHTS, radius=0.3, least=0.001)[0]) == 2
    assert not len(density_clusters(CLOSE[3:], WEIGHTS[3:], radius=0.3, least=0.05)[0])
    assert not len(density_clusters(CLOSE[:0], WEIGHTS[:0], radius=0.3, least=0.05)[0])


def test_non_maximum_suppression_keeps_the_strongest() -> None:
    boxes, scores = strongest_apart(CLOSE, WEIGHTS, 0.4)

    assert torch.equal(boxes, CLOSE[[1, 3]]) and torch.equal(scores, WEIGHTS[[1, 3]])


def test_the_body_is_resnet_18_at_stride_16() -> None:
    network = DetectNet(classes=3).eval()
    weights = resnet18(weights=None).state_dict()
    network.load_body(weights)

    assert isinstance(network, TakesImageNet) and network.architecture == "resnet18"
    assert torch.equal(network.body.layer4[1].conv2.weight, weights["layer4.1.conv2.weight"])
    assert sum(p.numel() for p in network.parameters()) == 11_176_512 + 513 * (3 + 12)
    with torch.no_grad():
        assert network.body(torch.zeros(1, 3, 64, 80)).shape == (1, 512, 4, 5)
        (found,) = network([torch.zeros(1, 60, 70)])
    assert set(found) == {"boxes", "labels", "scores"}


@pytest.mark.parametrize("lesions", [0, 2])
def test_losses_are_named_and_finite(lesions: int) -> None:
    network = DetectNet(classes=2).train()
    boxes = torch.tensor([[5.0, 5.0, 30.0, 40.0], [40.0, 40.0, 60.0, 60.0]])[:lesions]
    target = {"boxes": boxes, "labels": torch.tensor([1, 2])[:lesions]}

    losses = network([torch.rand(1, 64, 64)] * 2, [target, target])

    assert set(losses) == {"loss_coverage", "loss_box"} and all(loss.isfinite() for loss in losses.values())


def test_it_learns_to_find_squares() -> None:
    torch.manual_seed(0)
    network = DetectNet(classes=1, foreground_weight=0.5, box_weight=1.0, min_score=0.2)
    boxes = torch.tensor([[16.0, 8.0, 56.0, 48.0], [4.0, 20.0, 36.0, 60.0]])
    images = torch.full((2, 1, 64, 64), 0.2)
    for image, (left, top, right, bottom) in zip(images, boxes.int().tolist(), strict=True):
        image[:, top:bottom, left:right] = 0.9
    targets = [{"boxes": box[None], "labels": torch.tensor([1])} for box in boxes]
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)

    losses = []
    for _ in range(25):
        loss = torch.stack(list(network.train()(list(images), targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    with torch.no_grad():
        found = network.eval()(list(images))

    assert losses[-1] < 0.5 * losses[0]
    for box, item in zip(boxes, found, strict=True):
        assert float(box_iou(item["boxes"][:1], box[None])) > 0.5
