"""What an image needs is learnt from batches, and batches become smaller before memory runs out."""

from __future__ import annotations

import pytest
import torch

from dicomnode.inference.fitting import FittedNetwork
from dicomnode.inference.memory import MemoryFigures, MemoryGauge, memory_of

MIB = 1 << 20


class Device:
    """A device whose figures the test sets."""

    def __init__(self) -> None:
        self.now = MemoryFigures(used=100 * MIB, peak=100 * MIB, free=1000 * MIB)

    def look(self) -> MemoryFigures:
        return self.now


def gauge_after(device: Device, images: int, peak: int) -> MemoryGauge:
    gauge = MemoryGauge(device.look)
    with gauge.measuring(images):
        device.now = MemoryFigures(device.now.used, peak * MIB, device.now.free)
    return gauge


def test_nothing_is_held_back_before_anything_is_known():
    assert MemoryGauge(Device().look).fitting(64) == 64


@pytest.mark.parametrize(("free", "fits"), [(1000, 8), (100, 8), (50, 4), (12, 1), (0, 1)])
def test_batches_fit_into_what_is_free(free: int, fits: int):
    device = Device()
    gauge = gauge_after(device, images=8, peak=180)  # 10 MiB each
    device.now = MemoryFigures(100 * MIB, 180 * MIB, free * MIB)
    assert gauge.fitting(8) == fits


def test_a_batch_that_took_no_more_than_an_earlier_one_tells_nothing():
    device = Device()
    gauge = gauge_after(device, images=1, peak=110)
    with gauge.measuring(8):
        pass
    device.now = MemoryFigures(100 * MIB, 110 * MIB, 50 * MIB)
    assert gauge.fitting(8) == 4


def test_a_machine_that_runs_short_gets_smaller_batches(monkeypatch: pytest.MonkeyPatch):
    device, seen = Device(), []
    monkeypatch.setattr("dicomnode.inference.fitting.memory_of", lambda _: device.look())
    fitted = FittedNetwork("small", torch.nn.Identity(), torch.device("cpu"), 8)

    def forward(images: list[int]) -> list[int]:
        seen.append(len(images))
        device.now = MemoryFigures(100 * MIB, max(device.now.peak, (100 + 10 * len(images)) * MIB), 50 * MIB)
        return list(images)

    assert fitted.outputs(list(range(16)), forward) == list(range(16))
    assert seen == [8, 4, 4]
    assert fitted.size == 8  # and full batches again once there is room


def test_the_kernel_tells_what_a_process_uses():
    figures = memory_of(torch.device("cpu"))
    assert 0 < figures.used <= figures.peak
    assert figures.free > 0
