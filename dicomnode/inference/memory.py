"""How much memory an image needs on its way through a network, measured, and how many fit at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS, _MACHINE = Path("/proc/self/status"), Path("/proc/meminfo")
_SHARE = 0.8
"""Of the free memory that a batch may take: others take some at the same time."""


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """Memory of a device, in bytes.

    Attributes:
        used: By this process now.
        peak: Most that this process ever used, or since it was asked to forget.
        free: What this process may still take.
    """

    used: int
    peak: int
    free: int


def memory_of(device: torch.device) -> MemoryFigures:
    """What a GPU's allocator tells, or on a CPU the kernel (proc_pid_status(5), proc_meminfo(5))."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        used = torch.cuda.memory_allocated(device)
        kept = torch.cuda.memory_reserved(device) - used  # the allocator's own, ready to be given out again
        return MemoryFigures(used, torch.cuda.max_memory_allocated(device), free + kept)
    own, machine = _lines(_STATUS), _lines(_MACHINE)
    return MemoryFigures(own.get("VmRSS", 0), own.get("VmHWM", 0), machine.get("MemAvailable", 1 << 62))


class MemoryGauge:
    """Learns what an image needs from the batches that went through, and says how many may go next.

    Each batch that takes more than any before tells; on a CPU the kernel keeps the process's highest mark only, so that
    smaller ones tell nothing. Where the machine runs short, batches become smaller before memory is refused, which
    on a CPU nobody is told of: the kernel ends the process.

    Args:
        look: Gives the device's figures.
    """

    def __init__(self, look: Callable[[], MemoryFigures]) -> None:
        self._look = look
        self._per_image = 0.0

    def fitting(self, wanted: int) -> int:
        """How many images of ``wanted`` may go at once; at least one."""
        if wanted == 1 or not self._per_image:
            return wanted
        return max(1, min(wanted, int(_SHARE * self._look().free / self._per_image)))

    @contextmanager
    def measuring(self, images: int) -> Iterator[None]:
        """Learn from the batch of the block."""
        before = self._look()
        yield
        after = self._look()
        if after.peak > before.peak:
            self._per_image = max(self._per_image, (after.peak - before.used) / images)


def _lines(path: Path) -> dict[str, int]:
    """``Name: 123 kB`` as bytes; empty where the kernel has no such file."""
    if not path.is_file():
        return {}
    parts = (line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines())
    return {words[0].rstrip(":"): int(words[1]) << 10 for words in parts if len(words) == 3 and words[2] == "kB"}
