"""What a run needs of memory: how much at its highest, and activations computed twice to need less."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from dicomnode.errors import RecipeError

_MIB = 1024 * 1024


def peak_memory(device: torch.device) -> float:
    """The most memory that was in use until now, MiB: of the GPU what this process took, else the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _MIB
    # Kibibytes on Linux, bytes on macOS (getrusage(2)).
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MIB


def keep_no_activations(model: nn.Module, prefixes: tuple[str, ...]) -> None:
    """Have the modules whose names begin with one of ``prefixes`` compute their activations anew when going backward.

    Of modules inside each other the outermost does it, so that ``stages.`` means each stage by itself, and ``stages``
    all together, which saves nothing at the peak. Names of weights stay as they are, and batch norms count each batch
    once.

    Raises:
        RecipeError: If no module has such a name.
    """
    chosen: list[str] = []
    for name, module in model.named_modules():
        is_meant = prefixes and name.startswith(prefixes) and not isinstance(module, nn.ModuleList | nn.ModuleDict)
        if is_meant and not any(name.startswith(f"{outer}.") for outer in chosen):
            chosen.append(name)
            module.forward = partial(_recomputed, module, module.forward)
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in chosen):
            known = ", ".join(name for name, _ in model.named_children())
            raise RecipeError(f"training.checkpointing: no part of the network begins with {prefix!r}; it has {known}")


def _recomputed(module: nn.Module, forward: Any, *args: Any, **kwargs: Any) -> Any:
    if not (module.training and torch.is_grad_enabled()):
        return forward(*args, **kwargs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(module)

    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Batch norms that have seen the batch already learn nothing more from it."""
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
