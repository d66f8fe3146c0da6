"""Networks that need more memory than there is: smaller batches, then the CPU, then a clear reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dicomnode.bundles import load_bundle
from dicomnode.errors import DeviceMemoryError
from dicomnode.inference.fitting import FittedNetwork, is_out_of_memory
from dicomnode.inference.network import Batching, SliceNetwork

CPU = torch.device("cpu")
ALLOCATOR = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"


class Greedy(torch.nn.Module):
    """Answers with the sum of each image; batches above `most` do not fit."""

    def __init__(self, most: int, error: type[Exception] = RuntimeError) -> None:
        super().__init__()
        self.most = most
        self.error = error
        self.batches: list[int] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(batch))
        if len(batch) > self.most:
            raise self.error(ALLOCATOR)
        return batch.sum(dim=(1, 2, 3))


def sums(fitted: FittedNetwork, count: int) -> list[float]:
    images = [torch.full((1, 2, 2), float(number)) for number in range(count)]
    return fitted.outputs(images, lambda part: fitted.network(torch.stack(list(part))).tolist())


@pytest.mark.parametrize("error", [RuntimeError, torch.cuda.OutOfMemoryError, MemoryError])
def test_a_batch_that_does_not_fit_is_halved_and_what_worked_is_kept(error: type[Exception]) -> None:
    network = Greedy(3, error)
    fitted = FittedNetwork("small", network, CPU, 8)
    assert sums(fitted, 8) == [4.0 * number for number in range(8)]
    assert (network.batches, fitted.size) == ([8, 4, 2, 2, 2, 2], 2)
    network.batches.clear()
    assert len(sums(fitted, 3)) == 3
    assert network.batches == [2, 1]


def test_one_image_too_large_for_every_device_is_said_clearly() -> None:
    with pytest.raises(DeviceMemoryError, match="bundle small: out of memory with a single image, on the CPU too"):
        sums(FittedNetwork("small", Greedy(0), CPU, 4), 2)


def test_what_does_not_fit_on_a_device_goes_to_the_cpu() -> None:
    class Moved(Greedy):
        def to(self, device: torch.device) -> Moved:  # type: ignore[override]
            self.most = 8
            return self

    network = Moved(0)
    fitted = FittedNetwork("small", network, torch.device("meta"), 4)
    assert len(sums(fitted, 4)) == 4
    assert (network.batches, fitted.device, fitted.size) == ([4, 2, 1, 4], CPU, 4)


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_other_errors_are_no_want_of_memory(error: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(error) is is_memory


@pytest.mark.parametrize("fixed", [False, True])
def test_scores_are_the_same_in_smaller_batches(make_bundle: Any, monkeypatch: Any, fixed: bool) -> None:
    network = SliceNetwork(load_bundle(make_bundle()), CPU, Batching(8, fixed=fixed))
    rng = np.random.default_rng(3)
    slices = [rng.normal(100, 30, (1, 40, 40)).astype(np.float32) for _ in range(11)]
    expected = np.stack(list(network.classify(slices)))
    whole = network._fitted.network

    def greedy(batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > 2:
            raise RuntimeError(ALLOCATOR)
        return whole(batch)

    monkeypatch.setattr(network._fitted, "network", greedy)
    np.testing.assert_allclose(np.stack(list(network.classify(slices))), expected, atol=1e-6)
    assert network._fitted.size == (1 if fixed else 2)
