"""Curves of a run for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_EVERY = 20
"""Steps between two points of the loss."""


class Board(Protocol):
    """Takes the figures of a run."""

    def step(self, steps: int, loss: float, learning_rate: float) -> None:
        """Note a training step; ``steps`` counts from the beginning of the run."""

    def epoch(self, steps: int, figures: Mapping[str, float]) -> None:
        """Note the end of an epoch."""


class NoBoard:
    """Keeps nothing."""

    def step(self, steps: int, loss: float, learning_rate: float) -> None:
        """Forget it."""

    def epoch(self, steps: int, figures: Mapping[str, float]) -> None:
        """Forget it."""


class TensorBoard:
    """Event files that ``tensorboard --logdir`` shows, against the number of the step."""

    def __init__(self, folder: Path, steps: int) -> None:
        # TensorBoard takes a second to import, which nothing else should wait for.
        from torch.utils.tensorboard import SummaryWriter

        # What an interrupted epoch wrote beyond the checkpoint is drawn no more.
        self._writer = SummaryWriter(str(folder), purge_step=steps + 1 if steps else None)

    def step(self, steps: int, loss: float, learning_rate: float) -> None:
        """Every twentieth step is a point."""
        if steps % _EVERY == 0:
            self._write("step/loss", loss, steps)
            self._write("step/learning_rate", learning_rate, steps)

    def epoch(self, steps: int, figures: Mapping[str, float]) -> None:
        """Loss, learning rate and validation figures, one curve each."""
        for name, value in figures.items():
            self._write(f"epoch/{name}", value, steps)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def _write(self, name: str, value: float, steps: int) -> None:
        self._writer.add_scalar(name, value, steps)


@contextmanager
def open_board(folder: Path | None, steps: int) -> Iterator[Board]:
    """A board that writes into ``folder``, or for None one that keeps nothing.

    Args:
        folder: Made if it does not exist.
        steps: Steps done when the run begins or goes on.
    """
    if folder is None:
        yield NoBoard()
        return
    board = TensorBoard(folder, steps)
    try:
        yield board
    finally:
        board.close()
