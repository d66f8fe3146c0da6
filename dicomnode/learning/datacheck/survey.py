"""Every picture is opened once; what the check needs of it is kept, and its pixels are let go."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.errors import InputError
from dicomnode.learning.data.pictures import Colour, read_sample
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.splits import difference_hash
from dicomnode.learning.datacheck.findings import Unreadable
from dicomnode.learning.datacheck.tallies import Tally, tally
from dicomnode.learning.engine.progress import Advance

_AT_ONCE = 512
"""Pictures whose tallies wait in memory to be added up."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept of a picture.

    Attributes:
        width: Columns.
        height: Rows.
        digest: Of shape and pixels.
        bits: The difference hash, packed into 32 bytes.
        mean: Of the values.
        square: Mean of the squared values.
    """

    width: int
    height: int
    digest: bytes
    bits: bytes
    mean: float
    square: float


def look_at(samples: Sequence[Sample], colour: Colour, progress: Advance) -> Iterator[tuple[Facts, Tally] | Unreadable]:
    """What each sample's picture holds, in their order; several are decoded at a time.

    Args:
        samples: Which pictures.
        colour: What they are read as.
        progress: Told after every picture.
    """

    def look(sample: Sample) -> tuple[Facts, Tally] | Unreadable:
        try:
            return _facts(sample, colour)
        except InputError as error:
            return Unreadable(sample.name, sample.split, str(error).removeprefix(f"{sample.path.name}: "))

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for start in range(0, len(samples), _AT_ONCE):
            for number, found in enumerate(threads.map(look, samples[start : start + _AT_ONCE]), start + 1):
                progress(number, len(samples))
                yield found


def _facts(sample: Sample, colour: Colour) -> tuple[Facts, Tally]:
    if not sample.path.is_file():
        raise InputError("is listed but missing")
    pixels: npt.NDArray[np.float32] = read_sample(sample, colour).as_tensor().numpy()
    if not pixels.size or not np.isfinite(pixels).all():
        raise InputError("holds no pixels, or values that are not finite")
    digest = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
    bits = np.packbits(difference_hash(_as_bytes(pixels))).tobytes()
    mean, square = float(pixels.mean(dtype=np.float64)), float(np.square(pixels, dtype=np.float64).mean())
    return Facts(pixels.shape[2], pixels.shape[1], digest, bits, mean, square), tally(pixels)


def _as_bytes(pixels: npt.NDArray[np.float32]) -> Image.Image:
    """(C, H, W) as an 8-bit picture; values that do not fit are stretched over its range."""
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 255:
        pixels = (pixels - low) * (255 / (high - low))
    values = pixels.round().astype(np.uint8)
    return Image.fromarray(values[0] if len(values) == 1 else np.moveaxis(values, 0, -1))
