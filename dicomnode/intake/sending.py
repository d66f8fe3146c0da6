"""What brings instances over HTTP holds its studies open until it ends, as an association does."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from dicomnode.archive import Archive


class Sending:
    """One association, HTTP request or retrieval; completion waits for its end.

    Args:
        archive: Where its studies are.
        clock: Present time.
    """

    def __init__(self, archive: Archive, clock: Callable[[], datetime]) -> None:
        self._archive = archive
        self._clock = clock
        self._id = secrets.token_hex(16)
        self._studies: set[str] = set()
        self._ended = False
        self._guard = threading.Lock()

    def touch(self, study_instance_uid: str) -> None:
        """Before an instance is kept: note whose end its study has to wait for."""
        with self._guard:
            if study_instance_uid in self._studies:
                return
            if not self._studies:
                self._archive.associations.opened(self._id, self._clock())
            self._archive.associations.touched(self._id, study_instance_uid)
            self._studies.add(study_instance_uid)
            if self._ended:
                # The connection broke while this instance was on its way to the disk: nothing follows it.
                self._archive.associations.closed(self._id, self._clock())

    def close(self) -> None:
        """Note its end."""
        with self._guard:
            self._ended = True
            if self._studies:
                self._archive.associations.closed(self._id, self._clock())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()
