"""A worker's device in the index: while the worker lives, and not after."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import torch

from dicomnode.inference.device_figures import DeviceFigures, device_figures
from dicomnode.jobs.device_report import DeviceReport
from tests.archives import at, open_archive
from tests.deliveries import Clock


def test_the_cpu_of_this_machine() -> None:
    found = device_figures(torch.device("cpu"))
    assert found.name == "cpu"
    assert found.description
    assert 10_000_000 < found.memory_used < found.memory_size


def test_a_device_is_told_while_its_worker_lives(tmp_path: Path) -> None:
    clock, stop = Clock(0.0), Event()
    figures = DeviceFigures("cuda:0", "a card", 5, 100)
    with open_archive(tmp_path) as archive:
        other = DeviceReport(archive, "silent", lambda: figures, tuple, clock)
        other.report()
        clock.seconds = 7200
        report = DeviceReport(archive, "w1", lambda: figures, lambda: ("brain",), clock)
        report.report()
        [record] = archive.devices.list()  # who has been silent for long is forgotten
        assert (record.owner, record.device, record.memory_used, record.models) == ("w1", "cuda:0", 5, ("brain",))
        assert record.seen == at(7200)
        stop.set()
        report.run(stop)
        assert archive.devices.list() == []
