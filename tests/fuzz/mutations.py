"""Small damage to bytes: what bad memory, bad software and bad people do to them."""

from __future__ import annotations

import random
from collections.abc import Callable
from io import BytesIO

from pydicom.dataset import FileDataset

_LENGTHS = (0, 1, 0x7F, 0xFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def as_bytes(dataset: FileDataset) -> bytes:
    """A data set as a file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to eight changes to a copy."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        chance.choice(_CHANGES)(changed, chance)
    return bytes(changed)


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at : at + chance.randint(1, 16)] = chance.randbytes(chance.randint(1, 16))


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _drop(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.randint(1, 64)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = data[at : at + chance.randint(1, 256)] * chance.randint(1, 4)


def _length(data: bytearray, chance: random.Random) -> None:
    size = chance.choice((2, 4))
    value = chance.choice(_LENGTHS) & (256**size - 1)
    at = chance.randrange(len(data) + 1)
    data[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _overwrite, _cut, _drop, _repeat, _length)
