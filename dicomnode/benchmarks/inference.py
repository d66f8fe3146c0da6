"""Images per second of a network by itself and through the node's device pool, on the same images in memory."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from dicomnode.bundles import Bundle, Way
from dicomnode.errors import BundleError, describe
from dicomnode.inference.devices import choose_device
from dicomnode.inference.loaded import LoadedModel, load_model
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.pool.device_pool import DevicePool
from dicomnode.inference.tuning.patterns import Pixels
from dicomnode.inference.tuning.reference import passes, reference_pixels
from dicomnode.inference.ways import ways_for

_SAMPLE_MILLISECONDS = "100"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured.

    Attributes:
        device: As in the settings.
        batch_size: Images in a batch.
        images: Of each study.
        studies: At once.
        repeats: Measurements of each kind, in turns.
        ways: Some of those that the task and the device allow; empty for all.
    """

    device: str = "auto"
    batch_size: int = 8
    images: int = 32
    studies: int = 4
    repeats: int = 5
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Rates:
    """Repetitions of a measurement: images per second, or shares.

    Attributes:
        median: Of the repetitions.
        least: Of the repetitions.
        greatest: Of the repetitions.
    """

    median: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class WayRates:
    """What a way of computing does.

    Attributes:
        way: Its name.
        bare: Images per second of the network in one thread, full batches, prepared images.
        pool: Of as many studies at once as were asked for, through the pool, the same prepared images.
        share: Of the bare network's rate that the pool reaches, repetition by repetition.
        with_preparation: Of the same studies, from pixels as they are read to answers.
        utilisation: Of the GPU while the pool ran, percent, as nvidia-smi tells; None without one.
        problem: Why it does not work here; empty if it does.
    """

    way: str
    bare: Rates | None = None
    pool: Rates | None = None
    share: Rates | None = None
    with_preparation: Rates | None = None
    utilisation: float | None = None
    problem: str = ""


@dataclass(slots=True)
class _Contender:
    """A way that works here: three ways to drive it, each giving the number of images, and what they took."""

    way: Way
    drives: tuple[Callable[[], int], ...]
    taken: list[list[float]] = field(default_factory=lambda: [[], [], []])
    busy: list[float] = field(default_factory=list)


def measure_bundle(bundle: Bundle, load: Load, progress: Progress, *, allow_code: bool = False) -> list[WayRates]:
    """Measure all ways of a bundle in turns, so that whatever else the machine does meets all of them alike.

    Args:
        bundle: An approved bundle.
        load: What is measured.
        progress: Told what is being done.
        allow_code: True lets ``$`` expressions of an approved bundle from elsewhere run.
    """
    device = choose_device(load.device)
    possible = ways_for(bundle.node.task, device, bundle.node.accepts.priors is not None)
    contenders, failed = [], []
    for way in load.ways or possible:
        progress(f"{bundle.name}: {way}")
        try:
            if way not in possible:
                raise BundleError(f"not for this kind of model on {device.type}")
            contenders.append(_contender(bundle, way, load, allow_code))
        except Exception as error:  # noqa: BLE001  what does not work here is a line of the table
            failed.append(WayRates(way, problem=describe(error).splitlines()[0]))
    for turn in range(load.repeats):
        progress(f"{bundle.name}: repetition {turn + 1} of {load.repeats}")
        for one in contenders:
            _measure(one)
    return [*map(_rates, contenders), *failed]


def _contender(bundle: Bundle, way: Way, load: Load, allow_code: bool) -> _Contender:
    device, size = choose_device(load.device), load.batch_size
    few = [] if bundle.node.exam is not None else reference_pixels(bundle)
    pixels = [few[number % len(few)] for number in range(load.images)] if few else []
    bare = load_model(bundle, device, size, way=way, allow_code=allow_code)
    pooled = load_model(bundle, device, size, way=way, allow_code=allow_code, runner=DevicePool(device))
    once, several = passes(bare, pixels), [passes(pooled, pixels)] * load.studies
    found = _Contender(
        way,
        (
            lambda: sum(once() for _ in range(load.studies)),
            lambda: _together(several),
            lambda: _together([lambda: _from_pixels(pooled, pixels)] * load.studies),
        ),
    )
    for drive in found.drives[:2]:  # compile, record and take memory before anything is measured
        drive()
    return found


def _together(calls: Sequence[Callable[[], int]]) -> int:
    with ThreadPoolExecutor(len(calls)) as threads:
        return sum(threads.map(lambda call: call(), calls))


def _from_pixels(model: LoadedModel, pixels: Sequence[Pixels]) -> int:
    if isinstance(model, ExamPredictor):
        return passes(model, pixels)()
    return sum(1 for _ in model.outputs(pixels))


def _measure(one: _Contender) -> None:
    for place, drive in enumerate(one.drives):
        with _utilisation() as samples:
            start = time.perf_counter()
            images = drive()
            one.taken[place].append(images / (time.perf_counter() - start))
        if place == 1:
            one.busy += samples


def _rates(one: _Contender) -> WayRates:
    bare, pool, prepared = one.taken
    shares = [through / alone for through, alone in zip(pool, bare, strict=True)]
    utilisation = round(statistics.median(one.busy), 1) if one.busy else None
    figures = (_spread(bare, 2), _spread(pool, 2), _spread(shares, 3), _spread(prepared, 2))
    return WayRates(one.way, *figures, utilisation)


def _spread(values: Sequence[float], digits: int) -> Rates:
    return Rates(*(round(pick(values), digits) for pick in (statistics.median, min, max)))


@contextmanager
def _utilisation() -> Iterator[list[float]]:
    """Percent of the time that a kernel ran on the GPU, sampled in the block; nothing without nvidia-smi."""
    samples: list[float] = []
    command = shutil.which("nvidia-smi")
    if command is None:
        yield samples
        return
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", _SAMPLE_MILLISECONDS]
    with subprocess.Popen([command, *query], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield samples
        finally:
            process.terminate()
            output, _ = process.communicate()
    samples += [float(line) for line in output.split() if line.replace(".", "", 1).isdecimal()]
