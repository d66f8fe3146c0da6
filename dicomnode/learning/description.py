"""What a recipe would train, without training it."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import MetaTensor
from torch import nn

from dicomnode.learning.data.pictures import build_transform
from dicomnode.learning.engine.freezing import train_only
from dicomnode.learning.engine.stages import stages_of
from dicomnode.learning.engine.training import build_network
from dicomnode.learning.recipes.recipe import Recipe
from dicomnode.networks import FasterRcnn, ImageNetClassifier, MaskRcnn, TiledDetector
from dicomnode.networks.imagenet import original_parameters


def describe(recipe: Recipe) -> dict[str, Any]:
    """Network, its size, input size, data, hyper-parameters and published result, for printing or JSON."""
    with torch.device("meta"):  # counting needs no weights
        network = build_network(recipe)
    parameters = list(network.parameters())
    return {
        "name": recipe.name,
        "task": recipe.task,
        "network": dict(recipe.network),
        "parameters_total": sum(p.numel() for p in parameters),
        "parameters_trainable": sum(p.numel() for p in parameters if p.requires_grad),
        **_original(network),
        **_input_sizes(recipe),
        "data": recipe.data.model_dump(mode="json"),
        "training": recipe.training.model_dump(mode="json"),
        "stages": _stages(recipe, network),
        "augmentation": recipe.augmentation.model_dump(mode="json"),
        "seed": recipe.seed,
        "init": recipe.init,
        "exam": None if recipe.exam is None else recipe.exam.model_dump(mode="json"),
        "init_parts": {name: part.model_dump(mode="json") for name, part in recipe.init_parts.items()},
        "preprocessing": [dict(component) for component in recipe.preprocessing],
        "operating_point": recipe.operating_point.model_dump(mode="json"),
        "variant": list(recipe.variant),
        "variants": recipe.variants,
        "choices": recipe.choices,
        "published": None if recipe.published is None else recipe.published.model_dump(mode="json"),
    }


def _stages(recipe: Recipe, network: nn.Module) -> list[dict[str, Any]]:
    """What each stage of the run trains, for how long and how fast."""
    stages = []
    for stage in stages_of(recipe.training):
        train_only(network, stage.train_only)
        counted = sum(p.numel() for p in network.parameters() if p.requires_grad)
        values = stage.model_dump(mode="json", include={"epochs", "train_only", "learning_rate"})
        stages.append({**values, "parameters_trainable": counted})
    return stages


def _original(network: nn.Module) -> dict[str, int]:
    """Size of a network known from ImageNet or COCO with the head it had there."""
    if isinstance(network, TiledDetector):
        return _original(network.detector)
    if isinstance(network, ImageNetClassifier):
        return {"parameters_total_original_head": original_parameters(network.architecture)}
    if isinstance(network, MaskRcnn | FasterRcnn):
        return {"parameters_total_original_head": network.original_parameters()}
    return {}


def _input_sizes(recipe: Recipe) -> dict[str, Any]:
    """Of mammograms, the craniocaudal views' size and, where it is another, the oblique views'."""
    if recipe.exam is None:
        return {"input_size": input_size(recipe)}
    channels = 1 if recipe.exam.heat_maps is None else 3
    sizes = {"input_size": [channels, *recipe.exam.cc_size]}
    return sizes | ({"input_size_mlo": [channels, *recipe.exam.mlo_size]} if recipe.exam.unit == "exam" else {})


def input_size(recipe: Recipe) -> list[int]:
    """(C, h, w) of a preprocessed image, found by preprocessing one."""
    picture = torch.linspace(0, 255, 300 * 200).reshape(1, 300, 200)
    channels = 3 if recipe.data.colour == "rgb" else 1
    image = MetaTensor(picture.repeat(channels, 1, 1), affine=torch.eye(4, dtype=torch.float64))
    return list(build_transform(recipe.preprocessing)(image).shape)
