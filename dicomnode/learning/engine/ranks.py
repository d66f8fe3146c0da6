"""Several processes that train one network together, as ``torchrun`` starts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from dicomnode.errors import UsageError

T = TypeVar("T")

_TIMEOUT = timedelta(hours=6)
"""The others wait as long while the first validates; torchrun ends them earlier if it dies."""

_APART = 1_000_003
"""Between the seeds of two processes; prime, so that they never meet those of other epochs."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those that train together.

    Attributes:
        rank: Its number; the first, 0, validates, saves and reports.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one speaks for all."""
        return self.rank == 0

    def share(self, batch: torch.Tensor) -> torch.Tensor:
        """This process's part of a batch's (B,) indices."""
        return batch[self.rank :: self.world]

    def seed(self, seed: int) -> int:
        """A seed for what each process draws for itself; the first one's is what a single process has."""
        return seed + _APART * self.rank

    def own(self, generator: torch.Generator) -> torch.Generator:
        """``generator``, or where that one's numbers are the first process's, another."""
        return generator if self.is_first else torch.Generator().manual_seed(self.seed(generator.initial_seed()))

    def mean(self, value: float) -> float:
        """Mean over the processes."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=_device())
        distributed.all_reduce(total)
        return total.item() / self.world

    def agreed(self, value: T) -> T:
        """The first process's value, in all of them."""
        if self.world == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, device=_device())
        return values[0]

    def wrap(self, model: nn.Module) -> nn.Module | None:
        """The network that averages gradients over the processes; None if there is one only."""
        return None if self.world == 1 else DistributedDataParallel(model)

    def synchronised(self, model: nn.Module) -> nn.Module:
        """The network with batch norms that see the batches of all GPUs; on CPUs each sees its own share only."""
        if self.world == 1 or _device().type != "cuda":
            return model
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return converted


ALONE = Ranks()
"""The only process."""


def _device() -> torch.device:
    """Where the processes talk to each other from."""
    if distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def own_device(name: str, environment: Mapping[str, str]) -> str:
    """What ``auto`` or ``cuda`` means in this process: under torchrun each takes a GPU of its own.

    Raises:
        UsageError: If one GPU is named for several processes.
    """
    if int(environment.get("WORLD_SIZE", "1")) == 1 or name == "cpu":
        return name
    if name not in ("auto", "cuda"):
        raise UsageError(f"--device {name}: under torchrun each process takes a GPU of its own; leave it out")
    if name == "auto" and not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{environment['LOCAL_RANK']}"


@contextmanager
def joined(device: str, environment: Mapping[str, str]) -> Iterator[Ranks]:
    """Meet the other processes, if torchrun started several.

    Args:
        device: What this process computes on, as :func:`own_device` says.
        environment: Where torchrun leaves rank and rendezvous.
    """
    world = int(environment.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=_TIMEOUT)
    try:
        yield Ranks(distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
