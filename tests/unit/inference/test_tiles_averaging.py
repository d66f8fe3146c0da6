"""Area averaging, frame by frame, gives what averaging the whole image would."""

import numpy as np
import pytest

from dicomnode.inference.averaging import GLASS, Averaging, Grid


def run(
    pixels: np.ndarray, factor: float, strip: int, frame: tuple[int, int], order: list[int] | None = None
) -> tuple[np.ndarray, list[int]]:
    """The target, put together from its strips, and the order in which the strips came."""
    rows, columns = pixels.shape[1:]
    places = [(top, left) for top in range(0, rows, frame[0]) for left in range(0, columns, frame[1])]
    places = [places[index] for index in order] if order else places
    averaging = Averaging(Grid(rows, columns, (factor, factor), strip), tuple(places), frame)
    padded = np.pad(pixels, ((0, 0), (0, frame[0]), (0, frame[1])), constant_values=77)
    strips = []
    for top, left in places:
        strips += list(averaging.add(padded[:, top : top + frame[0], left : left + frame[1]], top, left))
    numbers = [number for number, _ in strips]
    return np.concatenate([values for _, values in sorted(strips, key=lambda item: item[0])], axis=1), numbers


def expected(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Every source pixel spread over ten by ten fine ones, and those averaged."""
    fine = pixels.repeat(10, axis=1).repeat(10, axis=2)
    count = [round(size / (10 * factor)) for size in fine.shape[1:]]
    step = round(10 * factor)
    return fine.reshape(3, count[0], step, count[1], step).mean(axis=(2, 4))


@pytest.mark.parametrize(("factor", "frame"), [(1.0, (16, 16)), (4.0, (16, 16)), (1.6, (7, 13)), (0.8, (64, 64))])
def test_it_equals_the_average_of_the_whole(factor: float, frame: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 80)).astype(np.float32)
    found, order = run(pixels, factor, 5, frame)
    np.testing.assert_allclose(found, expected(pixels, factor), atol=1e-3)
    assert order == sorted(order)


def test_frames_may_come_in_any_order() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 48, 48)).astype(np.float32)
    order = list(np.random.default_rng(2).permutation(9))
    found, _ = run(pixels, 3.0, 4, (16, 16), order)
    np.testing.assert_allclose(found, expected(pixels, 3.0), atol=1e-3)


def test_what_was_not_stored_is_glass() -> None:
    averaging = Averaging(Grid(8, 8, (2.0, 2.0), 2), ((0, 4),), (4, 4))
    strips = list(averaging.add(np.full((3, 4, 4), 9, np.float32), 0, 4))
    assert [number for number, _ in strips] == [0]
    np.testing.assert_allclose(strips[0][1][0], [[GLASS, GLASS, 9, 9]] * 2)


def test_strips_are_given_as_soon_as_they_are_complete() -> None:
    averaging = Averaging(Grid(32, 16, (2.0, 2.0), 4), tuple((top, 0) for top in range(0, 32, 8)), (8, 16))
    pixels = np.zeros((3, 8, 16), np.float32)
    assert [[number for number, _ in averaging.add(pixels, top, 0)] for top in range(0, 32, 8)] == [[0], [1], [2], [3]]
