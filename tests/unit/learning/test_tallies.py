"""Tallies and close pairs: the shortcuts give what the plain way gives."""

from functools import reduce

import numpy as np
import pytest

from dicomnode.learning.data.splits import close_pairs
from dicomnode.learning.datacheck.likeness import near_pairs
from dicomnode.learning.datacheck.tallies import BINS, Tally, added, tally


def sum_of(tallies: list[Tally]) -> Tally:
    return reduce(added, tallies[1:], tallies[0])


def test_the_sum_of_tallies_is_the_histogram_of_all_values() -> None:
    random = np.random.default_rng(0)
    pictures = [random.uniform(low, low + 40, (1, 8, 8)).round().astype(np.float32) for low in (-1000, 0, 300, 1200)]

    whole = sum_of([tally(values) for values in pictures])

    width = 2.0**whole.exponent
    edges = (whole.first + np.arange(len(whole.weights) + 1)) * width
    assert len(whole.weights) <= BINS + 1 and width >= 1
    assert whole.weights * 64 == pytest.approx(np.histogram(np.stack(pictures), edges)[0])


def test_the_order_of_pictures_does_not_matter() -> None:
    random = np.random.default_rng(1)
    tallies = [tally(random.normal(0, 10.0**power, (1, 5, 5)).astype(np.float32)) for power in (-3, 2, 0, 1, -1)]

    forward, backward = sum_of(tallies), sum_of(tallies[::-1])

    assert (forward.exponent, forward.first) == (backward.exponent, backward.first)
    assert forward.weights == pytest.approx(backward.weights)


@pytest.mark.parametrize("value", [0.0, 7.0, 0.3, -5.5])
def test_a_picture_of_one_value_has_one_bin(value: float) -> None:
    one = tally(np.full((1, 3, 3), value, np.float32))

    assert one.weights.tolist() == [1.0]
    assert one.first * 2.0**one.exponent <= value < (one.first + 1) * 2.0**one.exponent


def test_near_pairs_are_all_close_pairs() -> None:
    random = np.random.default_rng(2)
    hashes = random.random((60, 256)) < 0.5
    for row in range(30):
        hashes[row + 30] = hashes[row // 3]
        hashes[row + 30, random.choice(256, row % 7, replace=False)] ^= True

    assert near_pairs(hashes) == sorted(close_pairs(hashes))
    assert near_pairs(np.zeros((0, 256), np.bool_)) == []
