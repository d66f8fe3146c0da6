"""Images made by formula: as different from each other as a few numbers make them, and the same on every machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]
_Plane = npt.NDArray[np.float64]


def grey_pattern(number: int, rows: int, columns: int) -> Pixels:
    """(1, rows, columns): an ellipse with rings, stripes and a spot."""
    x, y = _places(rows, columns)
    a, b, c, d = (_wave(number)(step) for step in (0.0, 1.9, 3.5, 5.7))
    inside = ((x - 0.2 * a) / (0.6 + 0.2 * b)) ** 2 + ((y - 0.2 * c) / (0.7 + 0.2 * d)) ** 2
    body = np.clip(1.2 - inside, 0.0, 0.8)
    rings = 0.15 * (inside < 1) * np.sin((14 + 8 * a) * inside)
    stripes = 0.1 * (1 + b) * np.sin((20 + 15 * c) * x + (20 + 15 * d) * y)
    spot = (0.5 + 0.5 * d) * np.exp(-((x - 0.4 * d) ** 2 + (y - 0.4 * a) ** 2) / (0.004 + 0.02 * (1 + c)))
    return np.asarray(160 * np.clip(body + rings + stripes + spot, 0.0, 1.5)[None], dtype=np.float32)


def stained_pattern(number: int, rows: int, columns: int) -> Pixels:
    """(3, rows, columns), 0..255: 1 to 23 cells with nuclei, in colours of stained tissue and blood."""
    x, y = _places(rows, columns)
    wave, count = _wave(number), 1 + (number * 5) % 23
    cover, nuclei = np.zeros_like(x), np.zeros_like(x)
    for cell in range(count):
        across, down = (0.0, 0.0) if count == 1 else (0.9 * wave(3 * cell + 1), 0.9 * wave(3 * cell + 2))
        radius = (0.55 if count < 3 else 0.12) * (1 + 0.5 * wave(3 * cell + 3))
        body = ((x - across) / (1 + 0.3 * wave(cell + 9))) ** 2 + (y - down) ** 2
        cover = np.maximum(cover, np.clip(1.5 - body / radius**2, 0, 1))
        shift = 0.3 * radius * wave(cell), 0.3 * radius * wave(cell + 1)
        lobe = (x - across - shift[0]) ** 2 + (y - down - shift[1]) ** 2
        nuclei = np.maximum(nuclei, np.clip(1.5 - lobe / (0.55 * radius + 0.1 * radius * wave(cell + 5)) ** 2, 0, 1))
    ground = _colour((228, 205, 218), (20, 45, 25), wave, 1)
    body = _colour((205, 150, 190), (30, 60, 35), wave, 4)
    nucleus = _colour((110, 70, 150), (50, 40, 30), wave, 7)
    grain = np.sin((30 + 20 * wave(11)) * x + 9 * np.sin(17 * y)) * np.sin((25 + 15 * wave(12)) * y)
    stained = (ground * (1 - cover) + body * cover) * (1 - nuclei) + nucleus * nuclei
    return np.asarray(np.clip(stained + 10 * (1 + wave(10)) * grain, 0, 255), dtype=np.float32)


def _places(rows: int, columns: int) -> tuple[_Plane, _Plane]:
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    return x, y


def _wave(number: int) -> Callable[[float], float]:
    """Numbers of -1 to 1 that follow from an image's number and look like chance."""
    return lambda step: float(np.sin(12.9898 * (number + 1) * (1 + 0.37 * step)))


def _colour(
    middle: tuple[int, int, int], spread: tuple[int, int, int], wave: Callable[[float], float], step: int
) -> _Plane:
    return np.array([middle[i] + spread[i] * wave(step + i) for i in range(3)], dtype=np.float64)[:, None, None]
