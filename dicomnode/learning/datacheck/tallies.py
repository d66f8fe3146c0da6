"""Histograms that can be added up picture by picture without knowing the range of values beforehand.

Bins are as wide as a power of two and begin at multiples of it, so that two bins of one width are exactly one bin of
the next: whatever the order of the pictures, the sum has the same bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 64
"""A tally has about this many bins at most."""

_FINEST = -20


@dataclass(frozen=True, slots=True)
class Tally:
    """Weights of values by bin.

    Attributes:
        exponent: Bins are 2 ** exponent wide.
        first: The first bin begins at ``first * 2 ** exponent``.
        weights: (bins,) float64; 1 in all for one picture.
    """

    exponent: int
    first: int
    weights: npt.NDArray[np.float64]


def tally(values: npt.NDArray[np.float32]) -> Tally:
    """The tally of one picture's finite values; whole numbers get bins of at least 1."""
    low, high = float(values.min()), float(values.max())
    exponent = 0 if bool((values == np.rint(values)).all()) else _FINEST
    if high > low:
        exponent = max(exponent, math.ceil(math.log2((high - low) / BINS)))
    bins = np.floor(values.ravel() * 2.0**-exponent).astype(np.int64)
    first = int(bins.min())
    return Tally(exponent, first, np.bincount(bins - first) / values.size)


def added(one: Tally | None, other: Tally) -> Tally:
    """The sum of two tallies, with bins as wide as it needs."""
    if one is None:
        return other
    exponent = max(one.exponent, other.exponent)
    while True:
        first, second = at_width(one, exponent), at_width(other, exponent)
        start = min(first.first, second.first)
        end = max(first.first + len(first.weights), second.first + len(second.weights))
        if end - start <= BINS + 1:
            break
        exponent += 1
    return Tally(exponent, start, over(first, start, end) + over(second, start, end))


def at_width(one: Tally, exponent: int) -> Tally:
    """The tally with bins 2 ** exponent wide, which are no narrower than its own."""
    places = (one.first + np.arange(len(one.weights))) >> (exponent - one.exponent)
    weights: npt.NDArray[np.float64] = np.bincount(places - places[0], weights=one.weights)  # type: ignore[assignment]
    return Tally(exponent, int(places[0]), weights)


def over(one: Tally, start: int, end: int) -> npt.NDArray[np.float64]:
    """The weights of the bins from ``start`` to below ``end``, which hold all of its own."""
    return np.pad(one.weights, (one.first - start, end - one.first - len(one.weights)))
