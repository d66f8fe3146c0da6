"""What a recipe would train, without training it."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import MetaTensor

from dicomnode.learning.pictures import build_transform
from dicomnode.learning.recipe import Recipe
from dicomnode.learning.training import build_network


def describe(recipe: Recipe) -> dict[str, Any]:
    """Network, its size, input size, data layout and hyper-parameters, for printing or JSON."""
    network = build_network(recipe)
    parameters = list(network.parameters())
    return {
        "name": recipe.name,
        "task": recipe.task,
        "network": dict(recipe.network),
        "parameters_total": sum(p.numel() for p in parameters),
        "parameters_trainable": sum(p.numel() for p in parameters if p.requires_grad),
        "input_size": input_size(recipe),
        "data": recipe.data.model_dump(mode="json"),
        "training": recipe.training.model_dump(mode="json"),
        "augmentation": recipe.augmentation.model_dump(mode="json"),
        "seed": recipe.seed,
    }


def input_size(recipe: Recipe) -> list[int]:
    """(C, h, w) of a preprocessed image, found by preprocessing one."""
    picture = torch.linspace(0, 255, 300 * 200).reshape(1, 300, 200)
    channels = int(recipe.network.get("in_channels", 1))
    image = MetaTensor(picture.repeat(channels, 1, 1), affine=torch.eye(4, dtype=torch.float64))
    return list(build_transform(recipe.preprocessing)(image).shape)
