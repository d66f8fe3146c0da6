"""Batches that fit into a device's memory, found out by trying."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from dicomnode.errors import DeviceMemoryError
from dicomnode.inference.memory import MemoryGauge, memory_of

_LOG = logging.getLogger(__name__)
_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "STATUS_ALLOC_FAILED")
_Input = TypeVar("_Input")
_Output = TypeVar("_Output")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was too small: CUDA's own class, or the words of the CPU's allocator."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


class FittedNetwork:
    """A network on its device, and how many images fit through it at once.

    What an image needs is measured, and a batch is made smaller if less memory is free. One that does not fit all the
    same is halved and tried again; if not even one image fits, the network moves to the CPU. What worked then is kept
    for all that follows, until the model is loaded anew.

    Args:
        name: Of the bundle, for messages.
        network: On ``device`` already.
        device: Where it is.
        size: Images in one forward pass, to begin with.
    """

    def __init__(self, name: str, network: torch.nn.Module, device: torch.device, size: int) -> None:
        self.network = network
        self.device = device
        self.size = size
        self._name = name
        self._wanted = size
        self._gauge = MemoryGauge(lambda: memory_of(self.device))

    def outputs(
        self, images: Sequence[_Input], forward: Callable[[Sequence[_Input]], Sequence[_Output]]
    ) -> list[_Output]:
        """One output per image, in order.

        Args:
            images: Any number; `forward` is given ``size`` of them at most.
            forward: A forward pass of ``network`` on ``device``, as both are when it is called.

        Raises:
            DeviceMemoryError: One image alone does not fit, on the CPU either.
        """
        found: list[_Output] = []
        while len(found) < len(images):
            part = images[len(found) : len(found) + self._gauge.fitting(self.size)]
            try:
                with self._gauge.measuring(len(part)):
                    found += forward(part)
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Behind the block, so that no traceback holds the tensors of the failed pass any more
            self._shrink(len(part))
        return found

    def _shrink(self, tried: int) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if tried > 1:
            self.size = tried // 2
            _LOG.warning("%s: %d images do not fit on %s; tries %d at once", self._name, tried, self.device, self.size)
        elif self.device.type != "cpu":
            _LOG.warning("%s: one image does not fit on %s; goes on on the CPU", self._name, self.device)
            self.device, self.size = torch.device("cpu"), self._wanted
            self.network.to(self.device)
        else:
            raise DeviceMemoryError(
                f"bundle {self._name}: out of memory with a single image, on the CPU too;"
                " give the machine more memory, or switch the model off here"
            )
