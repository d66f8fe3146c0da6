"""The bootstrap: how often each image stands in each resample, and the interval that a figure's values give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from dicomnode.learning.metrics.calibration import Floats

Interval: TypeAlias = tuple[float, float]

_BLOCK = 2_000_000
"""Weights held at once, 16 MB."""
_NOTHING = np.array([np.nan])


def resampled_weights(groups: Sequence[str], resamples: int, seed: int) -> Iterator[Floats]:
    """Blocks of (r, N) weights, together ``resamples`` rows: how often each image stands in each resample.

    Images of one group (a patient) are drawn together. Nothing is given for a single group: it says nothing of others.
    """
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    group_of = np.array([places[group] for group in groups], dtype=np.int64)
    count, random = len(places), np.random.default_rng(seed)
    if count < 2:
        return
    rows = max(1, _BLOCK // len(groups))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = random.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield counts[:, group_of].astype(np.float64)


def bootstrap(
    groups: Sequence[str], figures: Callable[[Floats], Mapping[str, Floats]], resamples: int, seed: int
) -> dict[str, Interval]:
    """95 % percentile intervals over resampled groups.

    Args:
        groups: (N,) the group of every image.
        figures: From (r, N) weights to (r,) values by name.
        resamples: How many to draw.
        seed: Of the draws.
    """
    drawn = [figures(weights) for weights in resampled_weights(groups, resamples, seed)]
    names = drawn[0] if drawn else figures(np.ones((1, len(groups))))
    return {name: interval(np.concatenate([block[name] for block in drawn] or [_NOTHING])) for name in names}


def interval(values: Sequence[float] | Floats) -> Interval:
    """Middle 95 % of the values that are numbers."""
    numbers = np.asarray(values, dtype=np.float64)
    low, high = np.nanpercentile(numbers, [2.5, 97.5]) if not np.isnan(numbers).all() else (np.nan, np.nan)
    return float(low), float(high)


def resampled_by(groups: Sequence[str]) -> str:
    """``patient`` if several images share a group, else ``image``."""
    return "image" if len(set(groups)) == len(groups) else "patient"
