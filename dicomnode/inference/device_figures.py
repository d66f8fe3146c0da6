"""What a device is, and how much of its memory this process uses."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

_CPU_INFO, _MEMORY_OF_PROCESS = Path("/proc/cpuinfo"), Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """A device as this process sees it.

    Attributes:
        name: torch's, with its number.
        description: Its make.
        memory_used: Bytes that this process uses: of a GPU what torch reserved, of a CPU what is resident.
        memory_size: Bytes of the card, or of the machine.
    """

    name: str
    description: str
    memory_used: int
    memory_size: int


def device_figures(device: torch.device) -> DeviceFigures:
    """Look at a device."""
    if device.type != "cuda":
        page = os.sysconf("SC_PAGE_SIZE")
        return DeviceFigures(str(device), _processor(), _resident_pages() * page, os.sysconf("SC_PHYS_PAGES") * page)
    card = torch.device("cuda", device.index if device.index is not None else torch.cuda.current_device())
    size = torch.cuda.get_device_properties(card).total_memory
    return DeviceFigures(str(card), torch.cuda.get_device_name(card), torch.cuda.memory_reserved(card), size)


def _resident_pages() -> int:
    """The second field of statm (proc_pid_statm(5))."""
    return int(_MEMORY_OF_PROCESS.read_text(encoding="ascii").split()[1])


def _processor() -> str:
    for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
