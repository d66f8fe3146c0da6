"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_EVERY_S = 30.0


class Reporter(Protocol):
    """What the engine tells about its progress."""

    def begin(self, epoch: int, epochs: int, steps: int, note: str) -> Callable[[float], None]:
        """Start an epoch; the returned function is called with the loss of each step."""

    def say(self, line: str) -> None:
        """A line that stays on screen."""

    def close(self) -> None:
        """No more reports."""


class BarReporter:
    """A bar with loss, metric and the time left of the epoch."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f} {task.fields[note]}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console)
        self._progress.start()

    def begin(self, epoch: int, epochs: int, steps: int, note: str) -> Callable[[float], None]:
        """Replace the bar by one for this epoch."""
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        bar = self._progress.add_task(f"epoch {epoch}/{epochs}", total=steps, loss=0.0, note=note)

        def report(loss: float) -> None:
            self._progress.update(bar, advance=1, loss=loss)

        return report

    def say(self, line: str) -> None:
        """Print above the bar."""
        self._progress.console.print(line)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


class LineReporter:
    """A line per half minute and per epoch."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock

    def begin(self, epoch: int, epochs: int, steps: int, note: str) -> Callable[[float], None]:
        """Start an epoch."""
        started = last = self._clock()
        done, total = 0, 0.0

        def report(loss: float) -> None:
            nonlocal done, total, last
            done, total, now = done + 1, total + loss, self._clock()
            if now - last < _LINE_EVERY_S and done < steps:
                return
            last, left = now, (now - started) / done * (steps - done)
            place = f"epoch {epoch}/{epochs} step {done}/{steps}"
            self._write(f"{place} loss {total / done:.4f}, {left:.0f} s left {note}".rstrip())

        return report

    def say(self, line: str) -> None:
        """Write it."""
        self._write(line)

    def close(self) -> None:
        """Nothing to clean up."""


def make_reporter(console: Console) -> Reporter:
    """A bar if the console is a terminal."""
    if console.is_terminal:
        return BarReporter(console)

    def write(line: str) -> None:
        print(time.strftime("%H:%M:%S"), line, file=console.file, flush=True)

    return LineReporter(write)
