"""Taking in PyTorch and MONAI in a process that only infers."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager

# MONAI tries to import each of these for plots, training metrics, tables and logs. Its transforms need none of them,
# and they cost half a second and 50 MB.
_NOT_FOR_INFERENCE = ("IPython", "matplotlib", "pandas", "sklearn", "tensorboard", "tensorboardX")


def take_in() -> None:
    """Import torch, torchvision and MONAI, the latter without what inference has no use for."""
    importlib.import_module("torchvision")
    with _absent(_NOT_FOR_INFERENCE):
        importlib.import_module("monai.transforms")


@contextmanager
def _absent(names: Collection[str]) -> Iterator[None]:
    """Modules that cannot be imported while the block runs, unless they are there already."""
    # None is Python's own way to say so ("sys.modules", Python Language Reference 5.3.1)
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
