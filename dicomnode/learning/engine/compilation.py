"""Translating a network into machine code before it is trained."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from torch import nn

from dicomnode.errors import TrainingError


def compile_network(model: nn.Module, find: Callable[[str], str | None] = shutil.which) -> None:
    """Have ``torch.compile`` translate the network at its first call; names of its weights stay as they are.

    Args:
        model: Changed in place.
        find: Path of a program, None if there is none.

    Raises:
        TrainingError: If there is no C++ compiler, which the translation needs on a GPU, too.
    """
    compilers = [os.environ.get("CXX", "g++"), "clang++"]
    if not any(find(name) for name in compilers):
        raise TrainingError(
            f"training.compile: none of {', '.join(compilers)} is installed; install a C++ compiler (Debian: g++) "
            "or set training.compile=false"
        )
    model.compile()
