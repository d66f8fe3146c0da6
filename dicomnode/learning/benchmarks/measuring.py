"""Measuring networks, each in a process of its own, so that none pays for what another left behind."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dicomnode.errors import TrainingError
from dicomnode.learning.benchmarks.candidates import CANDIDATES, PUBLISHED_SIZE, Candidate, Size, inputs_of, loss_of
from dicomnode.learning.engine.memory import peak_memory
from dicomnode.networks import Gmic

_EXAM = 4
_STATUS = Path("/proc/self/status")  # proc(5)
_MIB_PER_GB = 1e9 / 2**20


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is measured, and on what.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        size: Rows and columns of the images.
        images: Images of a pass; an exam has four in any case.
        repeats: Passes that are timed, after one that is not.
        threads: Of the CPU.
    """

    device: str
    size: Size
    images: int
    repeats: int
    threads: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of some times, in ms."""

    median: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one network costs.

    Attributes:
        network: Its name.
        images: Images of a pass.
        parameters: Trained values.
        counted_as_published: The same with the running means and variances of batch norm, and for GMIC with the
            released files' convolution that nothing reads: as the paper counts.
        memory_gb: Peak of a training step with weights and gradients: on a GPU what was allocated, on a CPU by how much
            the process grew.
        forward: Time of a forward pass in training, ms.
        backward: Time of its backward pass, ms.
        multiply_adds_billions: Of a forward pass of an exam of four images at the published size, convolutions and
            dense layers; None for a detector, whose operations depend on what it finds.
    """

    network: str
    images: int
    parameters: int
    counted_as_published: int
    memory_gb: float
    forward: Spread
    backward: Spread
    multiply_adds_billions: float | None


def default_conditions(device: torch.device) -> Conditions:
    """An exam at the published size on a GPU; on a CPU one image of a quarter of the height and width."""
    if device.type == "cuda":
        return Conditions(str(device), PUBLISHED_SIZE, images=_EXAM, repeats=10, threads=torch.get_num_threads())
    small = (PUBLISHED_SIZE[0] // 4, PUBLISHED_SIZE[1] // 4)
    return Conditions(str(device), small, images=1, repeats=3, threads=torch.get_num_threads())


def measure_apart(name: str, conditions: Conditions) -> Measurement:
    """Measure a network in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
        return process.submit(measure, name, conditions).result()


def measure_all(
    names: Sequence[str], conditions: Conditions, measured: Callable[[str, Conditions], Measurement] = measure_apart
) -> Iterator[Measurement]:
    """Measure one network after the other.

    Args:
        names: Keys of `CANDIDATES`.
        conditions: The same for all.
        measured: Measures one.

    Raises:
        TrainingError: If a network needs more memory than there is.
    """
    for name in names:
        try:
            yield measured(name, conditions)
        except (BrokenProcessPool, torch.OutOfMemoryError) as error:
            rows, columns = conditions.size
            raise TrainingError(
                f"bench {name}: ended early, most likely for want of memory at {conditions.images} images of "
                f"{rows}x{columns}; give a smaller --size or fewer --images"
            ) from error


def measure(name: str, conditions: Conditions) -> Measurement:
    """Measure a network in this process, whose memory must not have been higher before than it is now."""
    torch.set_num_threads(conditions.threads)
    device, candidate = torch.device(conditions.device), CANDIDATES[name]
    before = _highest(device)
    network = candidate.build(conditions.size).to(device).train()
    inputs = inputs_of(candidate, conditions.size, conditions.images, device)
    times = [_step(candidate, network, inputs, device) for _ in range(conditions.repeats + 1)][1:]
    memory = (_highest(device) - before) / _MIB_PER_GB
    forward, backward = (_spread([one[part] for one in times]) for part in (0, 1))
    images = _EXAM if candidate.unit == "exam" else conditions.images
    parameters, counted = _counts(network)
    return Measurement(
        name, images, parameters, counted, memory, forward, backward, multiply_adds(candidate, PUBLISHED_SIZE)
    )


def _step(candidate: Candidate, network: nn.Module, inputs: object, device: torch.device) -> tuple[float, float]:
    """Seconds of a forward and of its backward pass."""
    network.zero_grad(set_to_none=True)
    start = _now(device)
    loss = loss_of(candidate, network, inputs)
    middle = _now(device)
    loss.backward()  # type: ignore[no-untyped-call]
    return middle - start, _now(device) - middle


def _highest(device: torch.device) -> float:
    """The most memory in use until now, MiB.

    Of a CPU, what the process itself has had: getrusage(2) would begin with the size of the process that started it.
    """
    if device.type == "cpu" and _STATUS.is_file():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines())
        return float(lines["VmHWM"].split()[0]) / 1024
    return peak_memory(device)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter()


def _spread(seconds: Sequence[float]) -> Spread:
    return Spread(1000 * statistics.median(seconds), 1000 * min(seconds), 1000 * max(seconds))


def _counts(network: nn.Module) -> tuple[int, int]:
    """Trained values, and values as the paper counts them."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    running = sum(buffer.numel() for name, buffer in network.named_buffers() if "running_" in name)
    return parameters, parameters + running + (256 * 256 * 4 * 4 if isinstance(network, Gmic) else 0)


def multiply_adds(candidate: Candidate, size: Size) -> float | None:
    """Billions of a forward pass of an exam of four images, counted on shapes alone."""
    if candidate.unit == "boxes":
        return None
    meta = torch.device("meta")
    with meta:
        network = candidate.build(size).eval()
    inputs = inputs_of(candidate, size, _EXAM, meta)
    with FlopCounterMode(display=False) as counter:
        if isinstance(network, Gmic):
            # Where its patches lie depends on values, how many operations they take does not.
            network.saliency(network.global_network(inputs))
            network.local_network(torch.empty(_EXAM * network.patches, 1, network.patch, network.patch, device=meta))
        else:
            network(inputs)
    return counter.get_total_flops() / 2e9  # type: ignore[no-any-return]
