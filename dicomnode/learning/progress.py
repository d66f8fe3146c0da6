"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_EVERY_S = 30.0

Advance: TypeAlias = Callable[[int, int], None]
"""Called with how many of how many pieces of work are done."""


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


@contextmanager
def counted(console: Console, what: str) -> Iterator[Advance]:
    """A bar on a terminal, and a line per half minute elsewhere, for work whose pieces are counted."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task(what, total=None)
            yield lambda done, total: progress.update(bar, completed=done, total=total)
        return
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            print(time.strftime("%H:%M:%S"), f"{what} {done}/{total}", file=console.file, flush=True)

    yield report
