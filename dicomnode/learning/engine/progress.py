"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
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


class Pace:
    """How long the rest of a run takes if it goes on as it went so far, validation included.

    Args:
        budget_s: Wall-clock time, in seconds, after which the run ends anyway.
        clock: Time in seconds.
    """

    def __init__(self, budget_s: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget_s = math.inf if budget_s is None else budget_s
        self._clock = clock
        self._started: float | None = None
        self._begun = self._done = self._total = 0

    def begin(self, epoch: int, epochs: int, steps: int) -> None:
        """An epoch of ``steps`` begins, the first of which is number 1."""
        self._done, self._total = (epoch - 1) * steps, epochs * steps
        if self._started is None:
            self._started, self._begun = self._clock(), self._done

    def step(self) -> float:
        """A step is done; the seconds that are left, at most, since the run may stop early."""
        self._done += 1
        elapsed = self._clock() - (self._started or 0.0)
        left = elapsed / max(1, self._done - self._begun) * (self._total - self._done)
        return max(0.0, min(left, self._budget_s - elapsed))


def in_words(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class BarReporter:
    """A bar of the epoch, with loss, metric and the time left of the whole run."""

    def __init__(self, console: Console, pace: Pace) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f} {task.fields[note]} {task.fields[left]}"),
        )
        self._pace = pace
        self._progress = Progress(*columns, console=console)
        self._progress.start()

    def begin(self, epoch: int, epochs: int, steps: int, note: str) -> Callable[[float], None]:
        """Replace the bar by one for this epoch."""
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        bar = self._progress.add_task(f"epoch {epoch}/{epochs}", total=steps, loss=0.0, note=note, left="")
        self._pace.begin(epoch, epochs, steps)

        def report(loss: float) -> None:
            self._progress.update(bar, advance=1, loss=loss, left=f"{in_words(self._pace.step())} left")

        return report

    def say(self, line: str) -> None:
        """Print above the bar."""
        self._progress.console.print(line)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


class LineReporter:
    """A line per half minute and per epoch."""

    def __init__(
        self,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        pace: Pace | None = None,
    ) -> None:
        self._write = write
        self._clock = clock
        self._pace = pace or Pace(clock=clock)

    def begin(self, epoch: int, epochs: int, steps: int, note: str) -> Callable[[float], None]:
        """Start an epoch."""
        last = self._clock()
        done, total = 0, 0.0
        self._pace.begin(epoch, epochs, steps)

        def report(loss: float) -> None:
            nonlocal done, total, last
            done, total, now, left = done + 1, total + loss, self._clock(), self._pace.step()
            if now - last < _LINE_EVERY_S and done < steps:
                return
            last = now
            place = f"epoch {epoch}/{epochs} step {done}/{steps}"
            self._write(f"{place} loss {total / done:.4f}, {in_words(left)} left {note}".rstrip())

        return report

    def say(self, line: str) -> None:
        """Write it."""
        self._write(line)

    def close(self) -> None:
        """Nothing to clean up."""


def make_reporter(console: Console, budget_minutes: float | None = None, *, is_silent: bool = False) -> Reporter:
    """A bar if the console is a terminal, else lines.

    Args:
        console: To write to.
        budget_minutes: Wall-clock time of the run.
        is_silent: Write nothing, for all but the first of several processes.
    """
    if is_silent:
        return LineReporter(lambda line: None)
    pace = Pace(None if budget_minutes is None else 60 * budget_minutes)
    if console.is_terminal:
        return BarReporter(console, pace)

    def write(line: str) -> None:
        print(time.strftime("%H:%M:%S"), line, file=console.file, flush=True)

    return LineReporter(write, pace=pace)


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
