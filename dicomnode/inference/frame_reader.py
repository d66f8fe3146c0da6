"""Modality values of slices, read when they are asked for: straight from the file where the pixels are plain."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from dicomnode.dicom.pixels import FramePixels
from dicomnode.errors import PixelError
from dicomnode.inference.decoding.decoders import Decoders, OwnProcess
from dicomnode.inference.decoding.encoded import EncodedFrame
from dicomnode.inference.instance_frames import InstanceFrames
from dicomnode.inference.slices import Slice, StoredPixels, readable

Pixels = npt.NDArray[np.float32]

# Instances of several frames whose heads are kept, since their slices may lie between each other.
_MOST_OPEN = 8
# Reading a file and converting its values happens outside the interpreter's lock.
_READING_THREADS = 2
_MOST_AT_ONCE = 16


class FrameReader:
    """Reads slices, of which the head is known, from their files.

    Args:
        decoders: Decode compressed frames; those of this process unless given.
    """

    def __init__(self, decoders: Decoders | None = None) -> None:
        self._decoders: Decoders = decoders or OwnProcess()
        self._lock = threading.Lock()
        self._open: dict[str, InstanceFrames] = {}

    @property
    def processes(self) -> int:
        """How many compressed frames are decoded at the same time."""
        return self._decoders.processes

    def read(self, item: Slice) -> FramePixels:
        """Modality values, high is bright, or RGB 0..255.

        Raises:
            PixelError: The pixels cannot be read, decoded or interpreted.
        """
        out = np.empty((item.channels, item.rows, item.columns), np.float32)
        return FramePixels(out, self.read_into(item, out))

    def read_into(self, item: Slice, out: Pixels) -> float | None:
        """As `read`, into an array; gives ``low + high`` that MONOCHROME1 was mirrored with."""
        if item.stored is not None:
            with readable(item.instance):
                if self._plain(item, item.stored, out[0]):
                    return item.stored.scale.mirror
        frame = self._frame(item)
        if frame.values.shape != out.shape:
            raise PixelError(
                f"instance {item.instance.sop_instance_uid}: a frame is of another size than its header says"
            )
        out[...] = frame.values
        return frame.mirror

    def read_all(self, items: Sequence[Slice]) -> Iterator[FramePixels]:
        """As `read`, in order; compressed frames are decoded ahead, several at once."""
        count = self._decoders.processes
        if count == 1 or not any(_is_compressed(item) for item in items):
            yield from map(self.read, items)
            return
        with ThreadPoolExecutor(count) as threads:
            ahead: deque[Future[FramePixels]] = deque()
            try:
                for item in items:
                    ahead.append(threads.submit(self.read, item))
                    if len(ahead) > 2 * count:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def fill(self, places: Iterable[tuple[Slice, Pixels]]) -> list[float | None]:
        """`read_into` for many slices, several at once; in order."""
        everything = list(places)
        count = max(self._decoders.processes, _READING_THREADS)
        size = max(
            1, min(_MOST_AT_ONCE, len(everything) // (4 * count))
        )  # so that no thread ends long after the others
        parts = [everything[start : start + size] for start in range(0, len(everything), size)]
        if len(parts) < 2:
            return self._fill(everything)
        with ThreadPoolExecutor(count) as threads:
            return [mirror for part in threads.map(self._fill, parts) for mirror in part]

    def _fill(self, places: Sequence[tuple[Slice, Pixels]]) -> list[float | None]:
        return [self.read_into(item, out) for item, out in places]

    def _plain(self, item: Slice, stored: StoredPixels, out: Pixels) -> bool:
        """Read a plain image; False if a value does not fit its bits, which is looked at closely then."""
        if stored.encapsulated:
            with self._decoders.decoded(_encoded(item, stored)) as values:
                stored.scale.convert(values, out)
            return True
        values = np.empty((item.rows, item.columns), stored.scale.dtype)
        file = os.open(item.instance.path, os.O_RDONLY)
        try:
            if os.preadv(file, [values.data], stored.offset) != values.nbytes:
                return False
        finally:
            os.close(file)
        if not stored.scale.holds(values):
            return False
        stored.scale.convert(values, out)
        return True

    def _frame(self, item: Slice) -> FramePixels:
        uid = item.instance.sop_instance_uid
        with self._lock:
            frames = self._open.get(uid)
            if frames is None:
                if len(self._open) == _MOST_OPEN or any(other.is_whole for other in self._open.values()):
                    self._open.clear()
                frames = self._open[uid] = InstanceFrames(item.instance, self._decoders)
        return frames.read(item.index)


def _is_compressed(item: Slice) -> bool:
    return item.stored is None or item.stored.encapsulated


def _encoded(item: Slice, stored: StoredPixels) -> EncodedFrame:
    scale = stored.scale
    coding: dict[str, int | str] = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME1" if scale.mirrored else "MONOCHROME2",
        "Rows": item.rows,
        "Columns": item.columns,
        "BitsAllocated": scale.bits_allocated,
        "BitsStored": scale.bits_stored,
        "HighBit": scale.bits_stored - 1,
        "PixelRepresentation": int(scale.signed),
    }
    uid = item.instance.sop_instance_uid
    return EncodedFrame(str(item.instance.path), uid, stored.transfer_syntax_uid, coding, (), stored.offset)
