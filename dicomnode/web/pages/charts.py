"""Charts as plain SVG, drawn by the server: what goes where, in the view box; colours stand in the style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 260
LEFT, TOP, RIGHT, BOTTOM = 46, 12, 348, 216


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis.

    Attributes:
        at: Its place in the view box, across or down.
        label: A number, not translated.
    """

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points.

    Attributes:
        name: For the legend, in English; empty of one that needs none.
        points: ``x,y x,y`` in the view box.
        look: Class of the style sheet.
        figure: What the legend says beside the name.
    """

    name: str
    points: str
    look: str
    figure: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column or a part of one."""

    x: float
    y: float
    width: float
    height: float
    look: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and its content as a table, which says the same to those who do not see it.

    Attributes:
        key: For ids on the page.
        title: In English, as are the axes.
        dots: Points in the view box.
        marks: Places across the view box where a line stands, such as a threshold.
        legend: Name and look of columns.
        head: Of the table, in English.
        rows: Of the table; the first cell of each is its head.
    """

    key: str
    title: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...] = ()
    columns: tuple[Column, ...] = ()
    dots: tuple[tuple[float, float], ...] = ()
    marks: tuple[float, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


Scale = Callable[[float], float]


def across(low: float, high: float) -> Scale:
    """From values to places across the plot."""
    return lambda value: round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 2)


def upward(high: float) -> Scale:
    """From values, 0 at the bottom, to places down the view box."""
    return lambda value: round(BOTTOM - (BOTTOM - TOP) * min(value / high, 1.0), 2)


def octaves(low: float, high: float) -> Scale:
    """From values to places across the plot, each doubling as wide as any other."""
    place = across(math.log2(low), math.log2(high))
    return lambda value: place(math.log2(min(max(value, low), high)))


def path(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    """Points of a line in the view box."""
    return " ".join(f"{x(one):g},{y(other):g}" for one, other in points)


def shares(place: Scale) -> tuple[Tick, ...]:
    """Marks of an axis from 0 to 1."""
    return tuple(Tick(place(value), f"{value:g}") for value in (0, 0.2, 0.4, 0.6, 0.8, 1))


def counts(most: float) -> tuple[float, tuple[float, ...]]:
    """The top of an axis of counts, and round values on it."""
    if most <= 0:
        return 1.0, (0.0, 1.0)
    rough = most / 4
    power = 10 ** math.floor(math.log10(rough))
    step = max(next(size * power for size in (1, 2, 5, 10) if size * power >= rough), 1.0)
    top = step * math.ceil(most / step)
    return top, tuple(step * index for index in range(round(top / step) + 1))
