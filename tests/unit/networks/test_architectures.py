"""The networks take and give what their docstrings say."""

import pytest
import torch

from dicomnode.networks import LesionDetector, ResNetClassifier, SymmetryAveraged


@pytest.mark.parametrize(("channels", "size"), [(1, (64, 64)), (3, (48, 80))])
def test_classifier_gives_a_logit_per_class(channels: int, size: tuple[int, int]) -> None:
    network = ResNetClassifier(in_channels=channels, classes=5, width=8, blocks=1).eval()

    assert network(torch.rand(2, channels, *size)).shape == (2, 5)


def test_width_64_is_resnet_18() -> None:
    network = ResNetClassifier(in_channels=3, classes=1000)

    assert sum(p.numel() for p in network.parameters()) == 11_689_512  # torchvision's resnet18


def test_without_the_stems_pooling_small_images_keep_twice_the_side() -> None:
    network = ResNetClassifier(classes=2, width=4, blocks=1, pool=False)

    assert network.stem(torch.rand(1, 1, 50, 50)).shape == (1, 4, 25, 25)


@pytest.mark.parametrize(("symmetry", "views"), [("mirror", 2), ("dihedral", 8)])
def test_symmetric_images_get_the_same_answer(symmetry: str, views: int) -> None:
    torch.manual_seed(0)
    network = SymmetryAveraged(classifier=ResNetClassifier(classes=3, width=4, blocks=1), symmetry=symmetry).eval()
    image = torch.rand(1, 1, 32, 32)

    sides = [image, image.flip(-1)]
    if symmetry == "dihedral":
        sides = [side.rot90(quarters, (-2, -1)) for side in sides for quarters in range(4)]
    answers, single = network(torch.cat(sides)), network.classifier(torch.cat(sides))

    assert len(sides) == views and torch.allclose(answers, answers[:1].expand_as(answers), atol=1e-5)
    assert torch.allclose(answers[0], single.mean(dim=0), atol=1e-5)
    assert not torch.allclose(network.train()(torch.cat([image, image])), answers[:2])


@pytest.fixture(scope="module")
def detector() -> LesionDetector:
    torch.manual_seed(0)
    return LesionDetector(size=64, classes=2, channels=8, hidden=16, min_score=0.0, max_detections=3)


def test_detector_gives_five_losses_in_training(detector: LesionDetector) -> None:
    masks = torch.zeros(1, 64, 64, dtype=torch.uint8)
    target = {"boxes": torch.tensor([[10.0, 10.0, 40.0, 50.0]]), "labels": torch.tensor([1]), "masks": masks}

    losses = detector.train()([torch.rand(1, 64, 64)] * 2, [target, target])

    assert set(losses) == {
        "loss_objectness",
        "loss_rpn_box_reg",
        "loss_classifier",
        "loss_box_reg",
        "loss_mask",
    }
    assert all(loss.isfinite() for loss in losses.values())


def test_detector_takes_an_image_without_lesion_in_training(detector: LesionDetector) -> None:
    empty = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 64, 64, dtype=torch.uint8),
    }

    losses = detector.train()([torch.rand(1, 64, 64)] * 2, [empty, empty])

    assert all(loss.isfinite() for loss in losses.values())


def test_detector_gives_boxes_and_masks_of_the_images_own_size(detector: LesionDetector) -> None:
    with torch.no_grad():
        (found,) = detector.eval()([torch.rand(1, 64, 64)])

    count = len(found["boxes"])
    assert 0 < count <= 3
    assert found["boxes"].shape == (count, 4) and found["masks"].shape == (count, 1, 64, 64)
    assert set(found["labels"].tolist()) <= {1, 2}
    assert found["scores"].tolist() == sorted(found["scores"].tolist(), reverse=True)


def test_detector_keeps_boxes_in_float32_under_autocast(detector: LesionDetector) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        (found,) = detector.eval()([torch.rand(1, 64, 64)])

    assert found["boxes"].dtype == torch.float32
