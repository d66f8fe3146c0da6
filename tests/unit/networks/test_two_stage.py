"""Mask and Faster R-CNN have torchvision's size, take its weights, and keep the interface of our detectors."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.detection import maskrcnn_resnet50_fpn

from dicomnode.networks import FasterRcnn, MaskRcnn
from dicomnode.networks.pretraining import TakesCoco, TakesImageNet
from dicomnode.networks.pyramids import Backbone

SMALL: dict[str, Any] = {"size": 64, "anchor_sizes": [[8], [16], [32], [48], [64]], "min_score": 0.0}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("kind", "backbone", "size"),
    [
        (MaskRcnn, "resnet50", 44_401_393),
        (FasterRcnn, "resnet50", 41_755_286),
        (MaskRcnn, "resnet101", 63_341_297),
        (MaskRcnn, "resnet18", 31_376_113),
        (MaskRcnn, "mobilenet_v3_large", 23_201_809),
    ],
)
def test_the_size_with_91_classes_is_torchvisions(
    kind: type[MaskRcnn] | type[FasterRcnn], backbone: Backbone, size: int
) -> None:
    with torch.device("meta"):
        network = kind(backbone=backbone, classes=3)

    assert network.original_parameters() == size > count(network)


def test_torchvisions_coco_weights_fit() -> None:
    with torch.device("meta"):
        published = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91).state_dict()
        network = MaskRcnn(backbone="resnet50", classes=3)

    network.load_detector(published)  # raises where a name or a shape differs

    assert network.coco_name == "maskrcnn_resnet50_fpn"


@pytest.fixture(scope="module")
def detector() -> MaskRcnn:
    torch.manual_seed(0)
    return MaskRcnn(backbone="resnet18", classes=2, norm="batch", max_detections=3, proposals=20, **SMALL)


def test_weights_but_the_class_heads_are_taken(detector: MaskRcnn) -> None:
    weights = {name: torch.full_like(tensor, 2.0) for name, tensor in detector.rcnn.state_dict().items()}
    torch.manual_seed(0)
    network = MaskRcnn(backbone="resnet18", classes=4, **SMALL)
    before = network.rcnn.roi_heads.box_predictor.cls_score.weight.clone()

    network.load_detector(weights)

    assert bool((network.rcnn.backbone.body.bn1.weight == 2).all())
    assert torch.equal(network.rcnn.roi_heads.box_predictor.cls_score.weight, before)
    with pytest.raises(KeyError):
        network.load_detector({})
    with pytest.raises(RuntimeError, match=r"lines\.weight belongs to another network"):
        network.load_detector({**weights, "lines.weight": torch.zeros(1)})


def test_the_body_takes_imagenet_weights(detector: MaskRcnn) -> None:
    from torchvision.models import mobilenet_v3_large, resnet18

    torch.manual_seed(1)
    weights = resnet18(weights=None).state_dict()
    detector.load_body(weights)
    assert torch.equal(detector.rcnn.backbone.body.conv1.weight, weights["conv1.weight"])
    with torch.device("meta"):
        mobile = FasterRcnn(backbone="mobilenet_v3_large", classes=1)
        mobile.load_body(mobilenet_v3_large(weights=None).state_dict())
    assert isinstance(mobile, TakesImageNet) and isinstance(mobile, TakesCoco)
    assert mobile.architecture == "mobilenet_v3_large" and mobile.coco_name is None


@pytest.mark.parametrize("lesions", [1, 0])
def test_losses_are_named(detector: MaskRcnn, lesions: int) -> None:
    target = {
        "boxes": torch.tensor([[10.0, 10.0, 40.0, 50.0]])[:lesions],
        "labels": torch.tensor([1])[:lesions],
        "masks": torch.ones(lesions, 64, 64, dtype=torch.uint8),
    }

    losses = detector.train()([torch.rand(1, 64, 64)] * 2, [target, target])

    assert {"loss_classifier", "loss_box_reg", "loss_mask", "loss_objectness", "loss_rpn_box_reg"} == set(losses)
    assert all(loss.isfinite() for loss in losses.values())


def test_boxes_and_masks_are_in_pixels_of_the_image(detector: MaskRcnn) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        (found,) = detector.eval()([torch.rand(1, 64, 64)])

    number = len(found["boxes"])
    assert 0 < number <= 3 and found["boxes"].dtype == torch.float32
    assert found["masks"].shape == (number, 1, 64, 64)
    assert set(found["labels"].tolist()) <= {1, 2}


def test_faster_rcnn_has_no_masks() -> None:
    torch.manual_seed(0)
    network = FasterRcnn(backbone="mobilenet_v3_large", classes=1, norm="batch", proposals=5, **SMALL).eval()

    with torch.no_grad():
        (found,) = network([torch.rand(3, 64, 64)])

    assert set(found) == {"boxes", "labels", "scores"}
