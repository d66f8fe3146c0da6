"""A network's way over its device, and the simplest one who drives on it: whoever asks, at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, Protocol, TypeVar

from dicomnode.inference.fitting import FittedNetwork

_Item = TypeVar("_Item")
_Input = TypeVar("_Input")
_Output = TypeVar("_Output")


class Lane(Generic[_Input, _Output]):
    """One kind of forward pass of one network.

    Args:
        fitted: The network, and how many images fit through it.
        forward: A forward pass of it: one output per image, in order.
    """

    def __init__(self, fitted: FittedNetwork, forward: Callable[[Sequence[_Input]], Sequence[_Output]]) -> None:
        self._fitted = fitted
        self._forward = forward

    @property
    def size(self) -> int:
        """Images in one batch, as far as is known today."""
        return self._fitted.size

    def run(self, images: Sequence[_Input]) -> list[_Output]:
        """One output per image, in order; of any number of images that go together.

        Raises:
            DeviceMemoryError: Not even one of them fits into memory.
        """
        return self._fitted.outputs(images, self._forward)


class Runner(Protocol):
    """Who brings images through a lane."""

    def outputs(
        self, lane: Lane[_Input, _Output], images: Iterable[_Input], key: Callable[[_Input], Hashable]
    ) -> Iterator[_Output]:
        """One output per image, in order.

        Args:
            lane: The network.
            images: Read no further ahead than the next batches need.
            key: Images go together only if it is the same for them.
        """


class Directly:
    """Runs each batch in the thread that asks, as a command does that has the device to itself."""

    def outputs(
        self, lane: Lane[_Input, _Output], images: Iterable[_Input], key: Callable[[_Input], Hashable]
    ) -> Iterator[_Output]:
        """One output per image, in order; images that follow each other and go together make a batch."""
        for batch in batches(images, lane.size):
            for part in _together(batch, key):
                yield from lane.run(part)


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of ``size`` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _together(batch: Sequence[_Item], key: Callable[[_Item], Hashable]) -> Iterator[list[_Item]]:
    part: list[_Item] = []
    for item in batch:
        if part and key(part[0]) != key(item):
            yield part
            part = []
        part.append(item)
    yield part
