"""A network that OpenVINO computes on the CPU; imported only where that is installed."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import torch
from openvino import CompiledModel, Core, Model
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn


class OpenVinoNetwork(nn.Module):
    """Takes a batch of images and gives what the network would, computed by OpenVINO.

    Its front end is asked directly: ``openvino.convert_model`` would do the same, and report it to Intel.

    Args:
        network: Takes one tensor (N, C, rows, columns) and gives one.
        bfloat16: True lets OpenVINO round to eight bits of precision, where the processor has instructions for it.
    """

    def __init__(self, network: nn.Module, *, bfloat16: bool) -> None:
        super().__init__()
        self.network = network
        self._precision = "bf16" if bfloat16 else "f32"
        self._guard = threading.Lock()
        self._compiled: dict[torch.Size, CompiledModel] = {}

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """One pass of any number of images."""
        with self._guard:
            image = batch.shape[1:]
            if image not in self._compiled:
                self._compiled[image] = self._compile(batch)
            found = self._compiled[image](batch.cpu().numpy())
        return torch.from_numpy(found[0].copy())

    def _compile(self, batch: torch.Tensor) -> CompiledModel:
        wanted: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": self._precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        return Core().compile_model(_converted(self.network, batch), "CPU", wanted)


def _converted(network: nn.Module, batch: torch.Tensor) -> Model:
    front_end = FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, of shapes that become constants
        decoder = TorchScriptPythonDecoder(network, example_input=batch)
        model = front_end.convert(front_end.load(decoder))
    model.reshape([-1, *batch.shape[1:]])
    return model
