"""Outputs of a network for single images, remembered within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dicomnode.inference.network import Detection
from dicomnode.study import SourceReference

SliceOutput: TypeAlias = npt.NDArray[np.float64] | tuple[Detection, ...]
"""Class scores (K,) of a classifier, or the boxes of a detector."""

_ENTRY_BYTES = 600  # key, links and object headers
_BOX_BYTES = 300


@dataclass(frozen=True, slots=True)
class OutputKey:
    """Everything that an output depends on.

    Attributes:
        bundle_digest: Of the model.
        manner: How it computes: device, precision, size of fixed batches.
        sop_instance_uid: Of the image.
        sha256: Of its file: an instance that came again with other content is another image.
        frame_number: Counted from 1; None for a single-frame instance.
    """

    bundle_digest: str
    manner: str
    sop_instance_uid: str
    sha256: str
    frame_number: int | None


def output_keys(
    bundle_digest: str, manner: str, images: Sequence[SourceReference], digests: Sequence[str]
) -> tuple[OutputKey | None, ...]:
    """One key per image, in order; None of an image whose file has no digest, which is not remembered."""
    return tuple(
        OutputKey(bundle_digest, manner, image.sop_instance_uid, digest, image.frame_number) if digest else None
        for image, digest in zip(images, digests, strict=True)
    )


class OutputMemory:
    """Remembers what was asked for last; safe among threads.

    Args:
        maximum_bytes: Of all that is remembered; what was not asked for longest is forgotten first.
    """

    def __init__(self, maximum_bytes: int) -> None:
        self._maximum = maximum_bytes
        self._held = 0
        self._outputs: OrderedDict[OutputKey, SliceOutput] = OrderedDict()
        self._guard = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """About how much memory it takes."""
        return self._held

    def get(self, key: OutputKey | None) -> SliceOutput | None:
        """What was remembered; None if nothing is."""
        with self._guard:
            found = None if key is None else self._outputs.get(key)
            if found is not None and key is not None:
                self._outputs.move_to_end(key)
            return found

    def put(self, key: OutputKey | None, output: SliceOutput) -> None:
        """Remember an output; the first one of a key stands."""
        with self._guard:
            if key is None or key in self._outputs:
                return
            self._outputs[key] = output
            self._held += _size(output)
            while self._held > self._maximum and self._outputs:
                _, forgotten = self._outputs.popitem(last=False)
                self._held -= _size(forgotten)


def _size(output: SliceOutput) -> int:
    if isinstance(output, np.ndarray):
        return _ENTRY_BYTES + output.nbytes
    return _ENTRY_BYTES + sum(_BOX_BYTES + _region_bytes(item) for item in output)


def _region_bytes(detection: Detection) -> int:
    return 0 if detection.region is None else detection.region.pixels.nbytes + detection.region.outline.nbytes
