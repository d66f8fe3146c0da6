"""Build what an approved bundle describes: its network with weights, its preprocessing, its inferer.

This is where code named by a bundle runs. Whoever calls it has made sure that the bundle's digest is approved.
"""

from __future__ import annotations

import inspect
import pickle
import warnings
from collections.abc import Callable
from pydoc import locate
from typing import cast

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from dicomnode.bundles.bundle import Bundle
from dicomnode.bundles.configuration import ALLOWED_TARGETS, check_targets, read_configuration
from dicomnode.bundles.digest import bundle_digest
from dicomnode.errors import BundleError

Preprocessing = Callable[[MetaTensor], MetaTensor]


def build_network(bundle: Bundle, device: torch.device, *, allow_code: bool = False) -> nn.Module:
    """The network in evaluation mode with its weights, in float32, on ``device``.

    Args:
        bundle: An approved bundle.
        device: Where it will run.
        allow_code: True lets ``$`` expressions of a bundle from elsewhere run.

    Raises:
        BundleError: The configuration cannot be built or the weights do not fit; names the key.
    """
    network = _build(bundle, "network_def", allow_code)
    if not isinstance(network, nn.Module):
        raise BundleError(f"bundle {bundle.name}: network_def must be a torch.nn.Module, not {type(network).__name__}")
    _load_weights(bundle, network)
    return network.to(device).eval()


def build_preprocessing(bundle: Bundle, *, allow_code: bool = False) -> Preprocessing:
    """The transforms that turn one source image into the network's input.

    They take and give a `MetaTensor` (C, Rows, Columns) float32 whose affine is in pixel indices, so that
    whatever the network finds is mapped back to source pixels.

    Raises:
        BundleError: The configuration cannot be built; names the key.
    """
    transform = _build(bundle, "preprocessing", allow_code)
    if not callable(transform):
        raise BundleError(f"bundle {bundle.name}: preprocessing must be a transform, not {type(transform).__name__}")
    return cast(Preprocessing, transform)


def verify_unchanged(bundle: Bundle) -> None:
    """Raise `BundleError` if the files of the bundle changed since it was read."""
    if bundle_digest(bundle.path) != bundle.digest:
        raise BundleError(
            f"bundle {bundle.name} changed on disk since it was approved; approve it again with 'models set'"
        )


def _build(bundle: Bundle, key: str, allow_code: bool) -> object:
    if bundle.runs_code and not allow_code:
        raise BundleError(f"bundle {bundle.name} holds $ expressions, which run code; approve its digest first")
    content = read_configuration(bundle.config)
    if not bundle.runs_code:
        check_targets(content)
        _check_origins(bundle)
    parser = ConfigParser(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return cast(object, parser.get_parsed_content(key, instantiate=True))
    except Exception as error:
        cause = error.__cause__ or error
        raise BundleError(f"bundle {bundle.name}: {key} cannot be built: {cause}") from error


def _check_origins(bundle: Bundle) -> None:
    """Refuse a target that reaches through an allowed package into another (``torch.nn.functional.os.system``)."""
    for target in bundle.targets:
        found = locate(target)
        origin = getattr(found, "__module__", "") or ""
        if not (inspect.isclass(found) or inspect.isfunction(found)):
            raise BundleError(f"bundle {bundle.name}: _target_ {target!r} is no class or function of this installation")
        if not f"{origin}.".startswith(ALLOWED_TARGETS):
            raise BundleError(
                f"bundle {bundle.name}: _target_ {target!r} leads to {origin}; use a class of its own package"
            )


def _load_weights(bundle: Bundle, network: nn.Module) -> None:
    state = _read_weights(bundle)
    expected = network.state_dict()
    for problem, keys in (
        ("misses", expected.keys() - state.keys()),
        ("has the unknown", state.keys() - expected.keys()),
    ):
        if keys:
            raise BundleError(
                f"bundle {bundle.name}: {bundle.weights.name} {problem} key {min(keys)!r} (of {len(keys)} such); "
                "export the weights of the network that network_def describes"
            )
    for key, tensor in state.items():
        if tensor.shape != expected[key].shape:
            raise BundleError(
                f"bundle {bundle.name}: weight {key!r} has shape {tuple(tensor.shape)}, "
                f"network_def needs {tuple(expected[key].shape)}"
            )
    network.load_state_dict(state, strict=True)


def _read_weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    try:
        if bundle.weights.suffix == ".safetensors":
            return cast(dict[str, torch.Tensor], load_file(bundle.weights))
        state = torch.load(bundle.weights, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise BundleError(f"bundle {bundle.name}: {bundle.weights.name} cannot be read: {error}") from error
    if not isinstance(state, dict):
        raise BundleError(f"bundle {bundle.name}: {bundle.weights.name} must hold a state dict")
    return cast(dict[str, torch.Tensor], state.get("model", state))
