"""The curves of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dicomnode.learning.report.drawing import QUIET, Plot, canvas, finished, series

_LOSSES = ("loss", "nll")


def history_plots(history: Sequence[Mapping[str, float]], best: float | None) -> tuple[Plot, ...]:
    """Losses in one plot and, in another, the validation figures that lie between 0 and 1.

    Args:
        history: Of each epoch its number ``epoch`` and its figures; not every epoch has all of them.
        best: The epoch whose weights were kept.
    """
    curves = {name: _curve(history, name) for entry in history for name in entry if name != "epoch"}
    losses = {name: curve for name, curve in curves.items() if any(mark in name for mark in _LOSSES)}
    shares = {
        name: curve
        for name, curve in curves.items()
        if name not in losses and not _is_rate(name) and all(0 <= value <= 1 for value in curve[1])
    }
    plots = [_plot("losses", "Losses", losses, best, "loss")] if losses else []
    return (*plots, *([_plot("metrics", "Validation figures", shares, best, "")] if shares else []))


def _curve(history: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    known = [(entry["epoch"], entry[name]) for entry in history if name in entry]
    return [epoch for epoch, _ in known], [value for _, value in known]


def _is_rate(name: str) -> bool:
    return name in ("lr", "images") or "rate" in name or "seconds" in name


def _plot(
    name: str, title: str, curves: Mapping[str, tuple[list[float], list[float]]], best: float | None, unit: str
) -> Plot:
    with canvas() as (figure, (axes,)):
        for place, (label, (epochs, values)) in enumerate(curves.items()):
            colour, dash = series(place)
            marker = "o" if len(epochs) < 3 else None
            axes.plot(epochs, values, color=colour, linestyle=dash, marker=marker, label=label.replace("_", " "))
        if best is not None:
            axes.axvline(best, color=QUIET, linewidth=0.8, linestyle=":", label="kept")
        axes.set(xlabel="epoch", ylabel=unit)
        axes.legend()
        last = "; ".join(f"{label} ends at {values[-1]:.4f}" for label, (_, values) in curves.items())
        return finished(figure, name, title, last)
