"""A network as it computes in one way or another: other layout, other precision, compiled, as a graph."""

from __future__ import annotations

import threading
from typing import Any, TypeVar, cast

import torch
from torch import nn

from dicomnode.bundles import Task, Way
from dicomnode.errors import BundleError

_Tree = TypeVar("_Tree")
_COMPILED = (Way.COMPILED, Way.COMPILED_BFLOAT16)
_GRAPHED = (Way.GRAPHS, Way.GRAPHS_BFLOAT16)
_OPENVINO = (Way.OPENVINO, Way.OPENVINO_BFLOAT16)
_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


def ways_for(task: Task, device: torch.device, with_priors: bool = False) -> tuple[Way, ...]:
    """The ways that may be tried, the reference first.

    A network that takes a batch as one tensor may be compiled; detectors and networks of exams take lists and
    dictionaries, whose work depends on what is seen.
    """
    found = [Way.EAGER, Way.CHANNELS_LAST, Way.BFLOAT16]
    if task is Task.CLASSIFICATION and not with_priors:
        found += _COMPILED
        found += _GRAPHED if device.type == "cuda" else _OPENVINO
    return tuple(found)


def in_way(network: nn.Module, way: Way, task: Task, device: torch.device) -> nn.Module:
    """A network, on its device and in evaluation mode, that computes in a way; it is changed in place.

    Args:
        network: In float32.
        way: One of `ways_for`.
        task: Detectors and networks of exams compute parts of their work in float32 on purpose, so that their weights
            are rounded only where autocast does it.
        device: Where it is.

    Raises:
        BundleError: The way needs what is not installed.
    """
    if way is Way.EAGER:
        return network
    if way in _OPENVINO:
        return _open_vino(network, way)
    whole = network.to(memory_format=torch.channels_last)
    if way.is_bfloat16 and task is Task.CLASSIFICATION:
        _round_weights(whole)
    if way in _COMPILED:
        whole = _Padded(cast(nn.Module, torch.compile(whole, dynamic=False)))
    whole = _Converted(whole, torch.bfloat16 if way.is_bfloat16 else None)
    return _Padded(_Graphed(whole)) if way in _GRAPHED and device.type == "cuda" else whole


def _open_vino(network: nn.Module, way: Way) -> nn.Module:
    try:
        from dicomnode.inference.open_vino import OpenVinoNetwork
    except ImportError as error:
        raise BundleError("OpenVINO is not installed; pip install 'dicomnode[openvino]'") from error
    return OpenVinoNetwork(network, bfloat16=way.is_bfloat16)


def _round_weights(network: nn.Module) -> None:
    """Round the weights of convolutions and linear layers; normalisation keeps its float32."""
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            module.to(torch.bfloat16)


class _Converted(nn.Module):
    """Gives a network its images with channels last, and whoever asks float32."""

    def __init__(self, network: nn.Module, precision: torch.dtype | None) -> None:
        super().__init__()
        self.network = network
        self.precision = precision

    def forward(self, images: Any, *rest: Any) -> Any:
        given = _mapped(images, _channels_last)
        device = _device_of(images)
        with torch.autocast(device, torch.bfloat16, enabled=self.precision is not None):
            return _mapped(self.network(given, *rest), _float32)


class _Padded(nn.Module):
    """Fills a batch with blank images up to the next power of two, so that few shapes need code of their own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        count = len(batch)
        missing = (1 << (count - 1).bit_length()) - count
        if missing:
            batch = torch.cat([batch, batch.new_zeros(missing, *batch.shape[1:])])
        output: torch.Tensor = self.network(batch)[:count]
        return output


class _Graphed(nn.Module):
    """Replays a CUDA graph of the network, recorded when a shape is first seen; elsewhere it just computes.

    A graph has one place for its input and one for its output, so one thread at a time replays it, and waits until it
    has taken the output out; meanwhile the other one copies the next batch to the device.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._guard = threading.Lock()
        self._graphs: dict[torch.Size, tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]] = {}

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if batch.device.type != "cuda":
            output: torch.Tensor = self.network(batch)
            return output
        with self._guard:
            if batch.shape not in self._graphs:
                self._graphs[batch.shape] = self._record(batch)
            graph, given, found = self._graphs[batch.shape]
            given.copy_(batch)
            graph.replay()
            output = found.clone()
            torch.cuda.current_stream(batch.device).synchronize()
        return output

    def _record(self, batch: torch.Tensor) -> tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]:
        given, graph = batch.clone(), torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream(batch.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(batch.device))
        with torch.cuda.stream(aside):
            for _ in range(3):  # libraries choose their algorithms and take their memory before recording
                self.network(given)
        torch.cuda.current_stream(batch.device).wait_stream(aside)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            found = self.network(given)
        return graph, given, found


def _device_of(value: Any) -> str:
    while not isinstance(value, torch.Tensor):
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return value.device.type


def _channels_last(value: torch.Tensor) -> torch.Tensor:
    return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value


def _float32(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype is torch.bfloat16 else value


def _mapped(value: Any, change: Any) -> Any:
    """A tensor, or lists and dictionaries of them, each one changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(item, change) for item in value)
    return value
