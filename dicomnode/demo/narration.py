"""What the demo says while it works: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Narrator:
    """Tells steps with the seconds since the start.

    Attributes:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def say(self, text: str, style: str = "") -> None:
        """One line, with the time."""
        line = f"[dim]{self.seconds:5.1f} s[/dim]  {escape(text)}"
        self.console.print(line, style=style, highlight=False, soft_wrap=True)

    def tell(self, text: str = "", style: str = "") -> None:
        """One line, as it is."""
        self.console.print(escape(text), style=style, highlight=False, soft_wrap=True)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """A spinner while the block runs; on anything but a terminal just the line."""
        if self.console.is_terminal:
            with self.console.status(escape(text)):
                yield
        else:
            yield
