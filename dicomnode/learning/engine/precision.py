"""Where and how precisely to compute: device, automatic mixed precision."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import torch

_CPU_FLAGS = Path("/proc/cpuinfo")


def choose_device(name: str = "auto") -> torch.device:
    """The named device, or for ``auto`` the first GPU if there is one."""
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_type(device: torch.device, *, wanted: bool = True) -> torch.dtype | None:
    """bfloat16 where it is wanted and the hardware multiplies it natively, else None: emulated, it is slower."""
    if not wanted:
        return None
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    if device.type == "cpu" and _CPU_FLAGS.is_file():
        flags = _CPU_FLAGS.read_text(encoding="utf-8").split()
        return torch.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else None
    return None


def mixed_precision(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Autocast to ``dtype``, or nothing for None."""
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)
