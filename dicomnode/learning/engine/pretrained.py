"""What a run starts from: ImageNet or COCO weights, through torchvision's weight API or a file, or another run's."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision.models import get_model_weights

from dicomnode.errors import RecipeError
from dicomnode.learning.recipes.exam import PartSection
from dicomnode.networks.pretraining import TakesCoco, TakesImageNet

Weights: TypeAlias = Mapping[str, torch.Tensor]


def from_torchvision(published: Any) -> Weights:
    """Weights out of torchvision's cache, or from its site if the cache has none.

    Args:
        published: A member of a torchvision ``WeightsEnum``.
    """
    weights: Weights = published.get_state_dict(progress=False, check_hash=True)
    return weights


def load_imagenet(
    network: TakesImageNet, file: Path | None = None, fetch: Callable[[Any], Weights] = from_torchvision
) -> None:
    """Put torchvision's ImageNet weights into all of the network but its head.

    Args:
        network: Changed in place.
        file: Weights as torchvision publishes them; if None, ``fetch`` has them.
        fetch: Gives the weights of a member of a torchvision ``WeightsEnum``.

    Raises:
        RecipeError: If there are no weights, or they belong to another network.
    """
    # The first ImageNet weights are those that the studies had.
    name, version = network.architecture, "IMAGENET1K_V1"
    weights = _fetched("imagenet", name, version, fetch) if file is None else _from_file(file)
    try:
        network.load_body(weights)
    except (KeyError, RuntimeError) as error:
        where = file or "init imagenet"
        raise RecipeError(f"{where}: does not hold torchvision's weights of {name}") from error


def load_coco(network: TakesCoco, file: Path | None = None, fetch: Callable[[Any], Weights] = from_torchvision) -> None:
    """Put the weights that torchvision trained on COCO into all of a detector but its class heads.

    Args:
        network: Changed in place.
        file: Weights as torchvision publishes them; if None, ``fetch`` has them.
        fetch: Gives the weights of a member of a torchvision ``WeightsEnum``.

    Raises:
        RecipeError: If there are no weights, or they belong to another network.
    """
    name = network.coco_name
    if name is None:
        raise RecipeError("init coco: torchvision has no COCO weights for this backbone; set init=imagenet or random")
    weights = _fetched("coco", name, "COCO_V1", fetch) if file is None else _from_file(file)
    try:
        network.load_detector(weights)
    except (KeyError, RuntimeError) as error:
        raise RecipeError(f"{file or 'init coco'}: does not hold torchvision's COCO weights of {name}") from error


def load_start(network: nn.Module, file: Path, key: str = "init_weights") -> None:
    """Put all weights of another run's ``best.pt``, or of a safetensors file, into the same network.

    Args:
        network: Changed in place.
        file: Holds the weights.
        key: Of the recipe, which named the file.

    Raises:
        RecipeError: If there are none, or they belong to another network.
    """
    content = _from_file(file, key)
    try:
        network.load_state_dict(content if file.suffix == ".safetensors" else content["model"])
    except (KeyError, RuntimeError, TypeError) as error:
        raise RecipeError(f"{key} {file}: is no best.pt of this network; train the recipe before it") from error


def load_parts(network: nn.Module, parts: Mapping[str, PartSection]) -> tuple[str, ...]:
    """Put weights of other runs' ``best.pt`` into parts of a network, and tell what was taken and what was not.

    Where a convolution here sees further input channels behind those it saw there, these keep their own weights.

    Args:
        network: Changed in place.
        parts: By name.

    Returns:
        Lines for the log.

    Raises:
        RecipeError: If a file holds no such weights, or they do not fit.
    """
    own, taken, lines = network.state_dict(), set[str](), list[str]()
    for name, part in parts.items():
        content = _from_file(part.weights, f"init_parts.{name}.weights")
        given: Weights = content.get("model", content) if isinstance(content, dict) else {}
        named = {f"{part.target}{key[len(part.source) :]}": key for key in given if key.startswith(part.source)}
        if not named or not named.keys() <= own.keys():
            wrong = min(named.keys() - own.keys(), default=f"{part.source}...")
            raise RecipeError(f"init_parts.{name}: {part.weights} does not fit the network: {wrong!r} is not in both")
        for here, there in named.items():
            own[here] = _widened(given[there], own[here], f"init_parts.{name}: {there}")
        taken |= named.keys()
        left = _summary(key for key in given if not key.startswith(part.source))
        lines.append(f"init_parts.{name}: {len(named)} tensors from {part.weights}; left out there: {left}")
    network.load_state_dict(own)
    return (*lines, f"init_parts: drawn at random: {_summary(key for key in own if key not in taken)}")


def _widened(given: torch.Tensor, own: torch.Tensor, where: str) -> torch.Tensor:
    if given.ndim == 4 and given.ndim == own.ndim and given.shape[1] < own.shape[1]:
        given = torch.cat([given, own[:, given.shape[1] :]], dim=1)
    if given.shape != own.shape:
        raise RecipeError(f"{where} has shape {tuple(given.shape)}, the network needs {tuple(own.shape)}")
    return given


def _summary(keys: Iterable[str]) -> str:
    """The first two levels of names of weights, each once."""
    return ", ".join(dict.fromkeys(".".join(key.split(".")[:2]) for key in keys)) or "nothing"


def _from_file(file: Path, key: str = "init_weights") -> Any:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        way_out = "name others or set init=random" if key == "init_weights" else f"name others with --set {key}=FILE"
        raise RecipeError(f"{key} {file}: holds no readable weights; {way_out}") from error


def _fetched(init: str, name: str, version: str, fetch: Callable[[Any], Weights]) -> Weights:
    published = get_model_weights(name)[version]
    try:
        return fetch(published)
    except (OSError, RuntimeError) as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        raise RecipeError(
            f"init {init}: the weights of {name} are not in {cache} and could not be fetched. Fetch "
            f"{published.url} elsewhere and put it there or name it with --set init_weights=FILE, "
            "or start without them with --set init=random"
        ) from error
