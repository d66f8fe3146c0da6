"""A file that arrives: small ones stay in memory until somebody asks for a file."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from dicomnode.errors import ArchiveFullError

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BUFFER_BYTES = 1 << 20


@contextmanager
def full_disk_is_refusal() -> Iterator[None]:
    """Turn the system's words for 'no space' into `ArchiveFullError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise ArchiveFullError(f"the archive has no space left ({error.strerror}): free some disk") from error
        raise


class StagedFile:
    """A file that arrives; left behind nowhere unless the archive takes it.

    Attributes:
        size: Bytes written so far.
    """

    def __init__(self, new_name: Callable[[], Path], in_memory: int = 0) -> None:
        """Args: where it goes, asked for once it needs a file, and up to how many bytes it needs none."""
        self.size = 0
        self._new_name = new_name
        self._digest = hashlib.sha256()
        self._limit = in_memory
        self._memory = bytearray()
        self._file: BinaryIO | None = None if in_memory else self._opened()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes.

        Raises:
            ArchiveFullError: The disk is full.
        """
        self.size += len(data)
        self._digest.update(data)  # here, while the sender sends the rest, and not when it waits for the answer
        if self._file is None and self.size <= self._limit:
            self._memory += data
            return
        file = self._written_out()
        with full_disk_is_refusal():
            file.write(data)

    @cached_property
    def path(self) -> Path:
        """Where its bytes are once it was flushed, closed or finished."""
        return self._new_name()

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes so far."""
        return self._digest.hexdigest()

    @property
    def content(self) -> memoryview | None:
        """All bytes so far, or None if they are in a file already; nothing can be added while somebody holds them."""
        return memoryview(self._memory).toreadonly() if self._file is None else None

    def open(self) -> BinaryIO:
        """What was written so far, to be read from its beginning."""
        if self._file is None:
            return BytesIO(self._memory)
        self.flush()
        return self.path.open("rb")

    def finish(self) -> None:
        """Make the bytes survive a power cut (the name follows by `FileStore.keep`)."""
        file = self._written_out()
        if file.closed:
            return
        with full_disk_is_refusal():
            file.flush()
            os.fdatasync(file.fileno())  # with the size, without times that nobody needs
            file.close()

    def flush(self) -> None:
        """Hand the bytes to the system, so that the file can be read by its path."""
        file = self._written_out()
        if not file.closed:
            with full_disk_is_refusal():
                file.flush()

    def close(self) -> None:
        """As `flush`, and let go of the file: nothing more is written to it."""
        file = self._written_out()
        with full_disk_is_refusal():
            file.close()

    def discard(self) -> None:
        """Drop what was not taken; harmless afterwards."""
        if self._file is None:
            return
        # The last buffer may not fit on a full disk: the file goes anyway.
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        with full_disk_is_refusal():
            return self.path.open("xb", buffering=_BUFFER_BYTES)

    def _written_out(self) -> BinaryIO:
        if self._file is None:
            self._file = self._opened()
            with full_disk_is_refusal():
                self._file.write(self._memory)
            self._memory = bytearray()  # whoever holds the old one keeps it
        return self._file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.discard()
