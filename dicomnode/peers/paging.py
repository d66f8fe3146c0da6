"""Reading an answer that comes in pages."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

Row = TypeVar("Row", bound=Hashable)


def pages(ask: Callable[[int], list[Row]]) -> Iterator[Row]:
    """Every row once: from the given offset on until a page brings nothing new.

    Peers may give fewer rows than asked for at any time, and some ignore the offset.
    """
    given: dict[Row, None] = {}
    while fresh := [row for row in ask(len(given)) if row not in given]:
        given |= dict.fromkeys(fresh)
        yield from fresh
