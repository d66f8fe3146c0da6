"""The table of training images that the node's pages show for review, opened when somebody first looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from dicomnode.errors import NotFoundError, RecipeError
from dicomnode.settings import ReviewSettings
from dicomnode.web.review.table import Table


def review_of(settings: ReviewSettings) -> Callable[[], Table] | None:
    """What opens the table that the settings name; None if they name none."""
    if settings.table is None or settings.data is None:
        return None
    return _Opening(settings.table, settings.data)


class _Opening:
    """Opens a table once; masks that were never read take a while."""

    def __init__(self, table: Path, data: Path) -> None:
        self._table = table
        self._data = data
        self._guard = Lock()
        self._opened: Table | None = None

    def __call__(self) -> Table:
        from dicomnode.learning.data.reviewing import open_review  # brings torch along, which no other page needs

        with self._guard:
            if self._opened is None:
                try:
                    self._opened = open_review(self._table, self._data)
                except RecipeError as error:
                    raise NotFoundError(f"web.review: {error}") from error
            return self._opened
