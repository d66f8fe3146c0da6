"""Who decodes compressed frames: this process, or several others with shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from dicomnode.dicom.decoding import StoredValues
from dicomnode.inference.decoding.encoded import EncodedFrame, decode_frame


class Decoders(Protocol):
    """Decodes frames, several at once if asked by several threads."""

    @property
    def processes(self) -> int:
        """How many frames are decoded at the same time."""

    def decoded(self, frame: EncodedFrame) -> AbstractContextManager[StoredValues]:
        """Stored values, as `decode_frame` gives them; they are there only within the context.

        Raises:
            PixelError: The file is cut, its pixels are damaged, or the decoder did not survive them.
            OSError: The file cannot be read.
        """


class OwnProcess:
    """Decodes in this process, one frame after the other: for a few frames, where no process is worth starting."""

    processes = 1

    @contextmanager
    def decoded(self, frame: EncodedFrame) -> Iterator[StoredValues]:
        """As `Decoders.decoded`."""
        yield decode_frame(frame)
