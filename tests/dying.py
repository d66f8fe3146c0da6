"""Processes that end at the n-th step that touches disk or index."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

DIED = 9
_ROOT = Path(__file__).parents[1]


def run(script: str, folder: Path, steps: int) -> None:
    """Run a script in a process of its own, with a folder and a number of steps as its arguments."""
    command = [sys.executable, "-c", script, str(folder), str(steps)]
    subprocess.run(command, cwd=_ROOT, env=os.environ | {"PYTHONPATH": str(_ROOT)}, check=True, timeout=300)


def children(steps: int) -> Iterator[int]:
    """In a child for each step its number; in the parent nothing. A child ends itself, at its step or with 0."""
    for last in range(1, steps + 1):
        child = os.fork()
        if not child:
            yield last
            os._exit(1)  # it was to have ended
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) in (0, DIED), f"step {last}: the child ended with {status}"


def die_at(last: int, *steps: tuple[Any, str]) -> None:
    """Let this process end at the given one of its calls to these functions, each named with what it belongs to."""
    numbers = count(1)

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            if next(numbers) == last:
                os._exit(DIED)
            return function(*arguments, **options)

        return step

    for owner, name in steps:
        setattr(owner, name, dying(getattr(owner, name)))
