"""What the review page needs of a table; whoever starts the page brings one along.

The page knows pictures and clicks, and nothing of data sets: how a table names its files is for those to know who also
train on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture, corners at pixel edges."""


class Row(Protocol):
    """A row with its files."""

    @property
    def number(self) -> int:
        """Its place in the table, counted from 0."""
        ...

    @property
    def title(self) -> str:
        """What it is about."""
        ...

    @property
    def label(self) -> str:
        """Its class."""
        ...

    @property
    def image(self) -> Path | None:
        """The picture."""
        ...

    @property
    def mask(self) -> Path | None:
        """The mask of the region."""
        ...

    @property
    def crop(self) -> Path | None:
        """The piece of the picture with the region."""
        ...

    @property
    def box(self) -> Box | None:
        """Around the region."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the row."""
        ...

    @property
    def changes(self) -> tuple[str, ...]:
        """What a reviewer changed."""
        ...


class Table(Protocol):
    """A table under review; its methods may be called from several threads."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes."""
        ...

    def rows(self) -> Sequence[Row]:
        """Every row."""
        ...

    def row(self, number: int) -> Row:
        """One row; NotFoundError if there is no such one."""
        ...

    def swap(self, number: int) -> Row:
        """Exchange mask and crop."""
        ...

    def relabel(self, number: int, label: str) -> Row:
        """Give it another class."""
        ...

    def draw(self, number: int, box: Box | None) -> Row:
        """Give it another box, or none of its own."""
        ...

    def reset(self, number: int) -> Row:
        """Take all changes of the row back."""
        ...
