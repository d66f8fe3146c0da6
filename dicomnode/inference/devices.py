"""Choosing and preparing the device that networks run on."""

from __future__ import annotations

import torch

from dicomnode.errors import SettingsError


def choose_device(name: str) -> torch.device:
    """The device that a setting names.

    Args:
        name: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        SettingsError: No such device is here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"device {name!r} is not on this machine ({torch.cuda.device_count()} GPUs); use auto or cpu"
        )
    return device


def prepare_torch(*, deterministic: bool, threads: int | None = None) -> None:
    """Set this process's torch: called once by whoever owns the process.

    Args:
        deterministic: One thread and no algorithm whose sum depends on timing, so that scores repeat bit for bit.
        threads: CPU threads of one operation; None leaves torch's choice.
    """
    if deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        torch.set_num_threads(1)
    elif threads is not None:
        torch.set_num_threads(threads)


def placed(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the CPU on a device; to a GPU through pinned memory, while this thread goes on."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
