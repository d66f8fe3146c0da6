"""Plots as SVG files that stand alone, follow the reader's light or dark theme and are as wide as a phone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# What stands in matplotlib's output for a colour of the theme: light and dark.
INK, QUIET, LINE, GROUND = "#17212b", "#5b6875", "#dde2e7", "#ffffff"
ACCENT, WRONG = "#0b6e74", "#b3361b"
_SERIES = ("#0b6e74", "#c2571a", "#5a4fcf", "#a8327e", "#7a6a00", "#3d7d2f", "#1f6fc4", "#8a5a44")
_DARK = MappingProxyType(
    {
        INK: "#e4e9ee",
        QUIET: "#9aa8b5",
        LINE: "#34404a",
        GROUND: "#1a2127",
        WRONG: "#ff8d73",
        **dict(
            zip(
                _SERIES,
                ("#58c4c9", "#f4a26b", "#a79ff5", "#f08bc9", "#d8c34a", "#8fd07f", "#7db9f5", "#d3a48f"),
                strict=True,
            )
        ),
    }
)
_DASHES = ("-", "--", ":", "-.")
_SIZE = (4.2, 3.7)
"""Inches at 96 px: 403 px, what a phone shows without shrinking."""
_SETTINGS: MappingProxyType[Any, Any] = MappingProxyType(
    {
        "svg.fonttype": "none",
        "font.size": 9.0,
        "axes.edgecolor": QUIET,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": LINE,
        "text.color": INK,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "legend.frameon": False,
        "legend.fontsize": 8.0,
        "lines.linewidth": 1.8,
    }
)


@dataclass(frozen=True, slots=True)
class Plot:
    """A finished plot.

    Attributes:
        name: Name of its file, without ending.
        title: Heading.
        says: What it shows, for who cannot see it.
        svg: The file's content.
    """

    name: str
    title: str
    says: str
    svg: str


@contextmanager
def canvas(rows: Sequence[float] = (1,)) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with axes below each other, of the given relative heights, in the page's looks.

    It belongs to no `pyplot` state, and the settings hold within the block only.
    """
    with matplotlib.rc_context(dict(_SETTINGS)):
        figure = Figure(figsize=_SIZE, layout="constrained", facecolor="none")
        axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=rows)[:, 0]
        for one in axes:
            one.set_facecolor("none")
        yield figure, list(axes)


def series(place: int) -> tuple[str, str]:
    """Colour and dash of the n-th line, so that lines differ without colour too beyond the first eight."""
    return _SERIES[place % len(_SERIES)], _DASHES[place // len(_SERIES) % len(_DASHES)]


def finished(figure: Figure, name: str, title: str, says: str) -> Plot:
    """The plot as SVG; to be called while the settings of `canvas` hold."""
    with matplotlib.rc_context({"svg.hashsalt": name}):
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Plot(name, title, says, _themed(text.getvalue()))


def number(value: float | None) -> str:
    """Three places, or that there is no such figure."""
    return "not defined" if value is None else f"{value:.3f}"


def _themed(svg: str) -> str:
    """Colours as variables with a light and a dark value, and the reader's own typeface."""
    names = {light: f"--c{place}" for place, light in enumerate(_DARK)}
    for light, name in names.items():
        svg = svg.replace(light, f"var({name}, {light})")
    light_values = "".join(f"{name}:{light};" for light, name in names.items())
    dark_values = "".join(f"{name}:{_DARK[light]};" for light, name in names.items())
    style = (
        f"<style>svg{{{light_values}}}text{{font-family:system-ui,sans-serif!important}}"
        f"@media (prefers-color-scheme:dark){{svg{{{dark_values}}}}}</style>"
    )
    body = svg[svg.index("<svg") :]
    return re.sub(r"(<svg[^>]*>)", lambda found: found.group(1) + style, body, count=1)
