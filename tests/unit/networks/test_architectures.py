"""The networks take and give what their docstrings say."""

import pytest
import torch

from dicomnode.networks import LesionDetector, ResNetClassifier


@pytest.mark.parametrize(("channels", "size"), [(1, (64, 64)), (3, (48, 80))])
def test_classifier_gives_a_logit_per_class(channels: int, size: tuple[int, int]) -> None:
    network = ResNetClassifier(in_channels=channels, classes=5, width=8, blocks=1).eval()

    assert network(torch.rand(2, channels, *size)).shape == (2, 5)


def test_width_64_is_resnet_18() -> None:
    network = ResNetClassifier(in_channels=3, classes=1000)

    assert sum(p.numel() for p in network.parameters()) == 11_689_512  # torchvision's resnet18


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
