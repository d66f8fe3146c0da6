"""Detectors start from ImageNet or COCO weights, or the error says what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dicomnode.errors import RecipeError
from dicomnode.learning.engine.pretrained import load_coco
from dicomnode.learning.recipes.recipe import load_recipe
from dicomnode.networks import MaskRcnn
from dicomnode.networks.pyramids import Backbone

WriteRecipe = Callable[..., Path]


def network(backbone: Backbone = "resnet50") -> MaskRcnn:
    with torch.device("meta"):
        return MaskRcnn(backbone=backbone, classes=1)


def away(published: Any) -> dict[str, torch.Tensor]:
    raise OSError("no route to host")


def test_without_weights_the_error_offers_random_ones() -> None:
    with pytest.raises(
        RecipeError, match=r"init coco: .*maskrcnn_resnet50_fpn_coco-bf2d0c1e\.pth elsewhere .*init=random"
    ):
        load_coco(network(), fetch=away)


def test_a_backbone_without_published_weights_is_told() -> None:
    with pytest.raises(RecipeError, match="no COCO weights for this backbone; set init=imagenet"):
        load_coco(network("resnet18"))


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(RecipeError, match=r"w\.pth: does not hold torchvision's COCO weights of maskrcnn_resnet50_fpn"):
        load_coco(network(), tmp_path / "w.pth")


def test_published_weights_are_taken() -> None:
    ours = network()
    load_coco(ours, fetch=lambda published: ours.rcnn.state_dict())


def test_coco_needs_a_detector_that_has_it(write_recipe: WriteRecipe) -> None:
    with pytest.raises(RecipeError, match=r"init coco needs the network dicomnode\.networks\.MaskRcnn or FasterRcnn"):
        load_recipe(write_recipe("detector", init="coco"))
