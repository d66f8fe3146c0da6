"""Tries every way for a bundle's network to compute on a device: how fast, and how far from plain float32."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import torch

from dicomnode.bundles import Bundle, TriedWay, Tuning, Way, software
from dicomnode.errors import BundleError, describe
from dicomnode.inference.device_figures import device_figures
from dicomnode.inference.loaded import LoadedModel, load_model
from dicomnode.inference.tuning.patterns import Pixels
from dicomnode.inference.tuning.reference import (
    ReferenceAnswer,
    answers_of,
    difference,
    passes,
    read_reference,
    reference_pixels,
    write_reference,
)
from dicomnode.inference.ways import ways_for

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try.

    Attributes:
        batch_size: Images in a batch.
        repeats: Timed passes of each way, in turns.
        longest_start: Seconds that the chosen way may take until its first answer.
        ways: Some of them; empty for every one that the task and the device allow.
        allow_code: True lets ``$`` expressions of an approved bundle from elsewhere run.
    """

    batch_size: int = 8
    repeats: int = 7
    longest_start: float = 10.0
    ways: tuple[Way, ...] = ()
    allow_code: bool = False


@dataclass(slots=True)
class _Runs:
    """A way that works here, and how long its passes took."""

    tried: TriedWay
    once: Callable[[], int]
    rates: list[float] = field(default_factory=list)


def tune(
    bundle: Bundle, device: torch.device, trial: Trial, today: date, progress: Progress, *, store: bool = True
) -> Tuning:
    """Try the ways, and choose the fastest that agrees with plain float32 within the bundle's limits.

    Args:
        bundle: An approved bundle.
        device: Where to compute.
        trial: What to try.
        today: The day.
        progress: Told what is being done.
        store: Whether to write the reference answers into the bundle if it has none.

    Raises:
        BundleError: The network cannot be built, or its plain float32 is not what the bundle's reference says.
    """
    pixels = [] if bundle.node.exam is not None else reference_pixels(bundle)
    wanted = (Way.EAGER, *(way for way in _ways(bundle, device, trial) if way is not Way.EAGER))
    expected: tuple[ReferenceAnswer, ...] = ()
    tried: list[TriedWay] = []
    runs: list[_Runs] = []
    for way in wanted:
        progress(f"{bundle.name}: {way}")
        try:
            model, answers, seconds = _first(bundle, device, way, trial, pixels)
        except Exception as error:
            if way is Way.EAGER:
                raise
            tried.append(TriedWay(way, problem=f"does not work here: {describe(error).splitlines()[0][:200]}"))
            continue
        if way is Way.EAGER:
            expected = _expected(bundle, answers, store)
        runs.append(_Runs(replace(_compared(way, answers, expected), start_seconds=seconds), passes(model, pixels)))
    progress(f"{bundle.name}: measuring")
    tried += _measured(runs, trial.repeats)
    tried.sort(key=lambda one: list(Way).index(one.way))
    description, chosen = device_figures(device).description, _chosen(bundle, tried, trial.longest_start)
    return Tuning(bundle.digest, description, software(), trial.batch_size, len(expected), today, chosen, tuple(tried))


def _ways(bundle: Bundle, device: torch.device, trial: Trial) -> tuple[Way, ...]:
    possible = ways_for(bundle.node.task, device, bundle.node.accepts.priors is not None)
    if foreign := set(trial.ways) - set(possible):
        names = ", ".join(sorted(foreign))
        raise BundleError(f"bundle {bundle.name}: {names}: not for this kind of model on {device.type}")
    return trial.ways or possible


def _first(
    bundle: Bundle, device: torch.device, way: Way, trial: Trial, pixels: Sequence[Pixels]
) -> tuple[LoadedModel, tuple[ReferenceAnswer, ...], float]:
    """A model that computes in a way, its answers on the reference set, and the seconds until the first one."""
    start = time.perf_counter()
    model = load_model(bundle, device, trial.batch_size, way=way, allow_code=trial.allow_code)
    passes(model, pixels[: trial.batch_size])()
    seconds = round(time.perf_counter() - start, 2)
    return model, answers_of(model, pixels), seconds


def _expected(bundle: Bundle, answers: tuple[ReferenceAnswer, ...], store: bool) -> tuple[ReferenceAnswer, ...]:
    """The answers of plain float32, which must be those of the machine that the bundle was made on."""
    stored = read_reference(bundle)
    if stored is None:
        if store:
            write_reference(bundle, answers)
        return answers
    found = _compared(Way.EAGER, answers, stored)
    if why := found.why_not(bundle.node.agreement):
        raise BundleError(
            f"bundle {bundle.name}: plain float32 does not give here what it gave where docs/reference.json was made:"
            f" {why}; look for a fault of torch or of this device, or delete the file if it is the wrong one"
        )
    return answers


def _compared(way: Way, answers: Sequence[ReferenceAnswer], expected: Sequence[ReferenceAnswer]) -> TriedWay:
    pairs = [difference(one, other) for one, other in zip(answers, expected, strict=True)]
    return TriedWay(
        way, largest_difference=max(apart for apart, _ in pairs), changed=sum(changed for _, changed in pairs)
    )


def _measured(runs: Sequence[_Runs], repeats: int) -> Iterator[TriedWay]:
    """Measured in turns, so that whatever else the machine does meets all ways alike."""
    for _ in range(repeats):
        for run in runs:
            start = time.perf_counter()
            run.rates.append(run.once() / (time.perf_counter() - start))
    for run in runs:
        middle, least, most = (round(pick(run.rates), 2) for pick in (statistics.median, min, max))
        yield replace(run.tried, images_per_second=middle, slowest=least, fastest=most)


def _chosen(bundle: Bundle, tried: Sequence[TriedWay], longest_start: float) -> Way:
    fit = [one for one in tried if not one.why_not(bundle.node.agreement)]
    quick = [one for one in fit if one.way is Way.EAGER or one.start_seconds <= longest_start]
    return max(quick, key=lambda one: one.images_per_second).way
