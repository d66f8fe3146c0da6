"""What the check of the data found, as far as this page can show it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dicomnode.learning.report.drawing import Plot, canvas, finished, series
from dicomnode.learning.report.tables import Table, facts, record_table


@dataclass(frozen=True, slots=True)
class CheckView:
    """The data check on the page.

    Attributes:
        facts: Single values.
        problems: Sentences, each with its severity.
        tables: Lists of records.
        plots: Intensities of each class.
    """

    facts: dict[str, str]
    problems: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...]


def read_check(path: Path) -> CheckView | None:
    """The view of a run's ``check.json``; None if there is none."""
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    problems = tuple((str(one["severity"]), str(one["text"])) for one in content.get("problems", []))
    tables = [
        record_table(name.capitalize(), content[name])
        for name in ("splits", "classes")
        if content.get(name) and isinstance(content[name][0], dict)
    ]
    counts = {name: len(value) for name, value in content.items() if isinstance(value, list)}
    counts = {name: count for name, count in counts.items() if name not in ("splits", "classes", "problems")}
    histograms = content.get("histograms")
    plots = (_histogram_plot(histograms),) if histograms else ()
    return CheckView(facts(content) | facts(counts), problems, tuple(tables), plots)


def _histogram_plot(histograms: Mapping[str, Any]) -> Plot:
    with canvas() as (figure, (axes,)):
        for place, one in enumerate(histograms["classes"]):
            edges = histograms["start"] + histograms["step"] * np.arange(len(one["shares"]) + 1)
            colour, dash = series(place)
            axes.stairs(np.sqrt(one["shares"]), edges, color=colour, linestyle=dash, label=one["name"])
        axes.set(xlabel="value of a pixel", ylabel="square root of the share")
        axes.legend()
        names = ", ".join(one["name"] for one in histograms["classes"])
        return finished(figure, "intensities", "Intensities", f"Histograms of the pixels of {names}")
