"""The readers, the model and both together: ROC curves averaged over readers, and a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from dicomnode.learning.metrics.calibration import Floats
from dicomnode.learning.metrics.hybrid import ReaderStudy
from dicomnode.learning.report.drawing import INK, QUIET, Plot, canvas, finished, number, series
from dicomnode.learning.report.tables import Cell, Row, Table, cell

_GRID = np.linspace(0.0, 1.0, 201)
_HEAD = ("AUC", "PR-AUC", "specificity at the readers' sensitivity")


def reader_plot(study: ReaderStudy, figures: Mapping[str, Any]) -> Plot:
    """ROC of model, readers and hybrids, the latter two averaged over readers, and each reader's own calls.

    Args:
        study: The cases.
        figures: Their `HybridFigures` as the report has them.
    """
    models = np.tile(study.model, (len(study.readers), 1))
    rows = {"hybrid": study.hybrid(figures["weight"]), "model": models, "readers": study.readings}
    with canvas() as (figure, (axes,)):
        for place, (who, scores) in enumerate(rows.items()):
            colour, _ = series(place)
            label = f"{who} {number(figures[who]['auc'])}"
            axes.plot(_GRID, mean_roc(study, scores), color=colour, linestyle=("-", "--", ":")[place], label=label)
        calls = [one for one in figures["by_reader"].values() if None not in (one["specificity"], one["sensitivity"])]
        false, true = [1 - one["specificity"] for one in calls], [one["sensitivity"] for one in calls]
        axes.plot(false, true, "o", color=INK, markersize=4, label="each reader's calls")
        if figures["sensitivity"] is not None:
            axes.axhline(figures["sensitivity"], color=QUIET, linewidth=0.8, linestyle=":")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="false positive rate", ylabel="sensitivity")
        axes.legend(loc="lower right", title="mean AUC over readers")
        says = "; ".join(f"{who} AUC {number(figures[who]['auc'])}" for who in rows)
        return finished(figure, "readers_roc", "Readers, model and hybrid", says)


def mean_roc(study: ReaderStudy, scores: Floats) -> Floats:
    """(201,) sensitivity at false positive rates from 0 to 1, averaged over the readers for whom it is defined.

    Args:
        study: Says which reader has assessed which case.
        scores: (M, N) a row for each reader.
    """
    curves = []
    for row, readings in zip(scores, study.readings, strict=True):
        read = ~np.isnan(readings)
        if study.positive[read].any() and not study.positive[read].all():
            false, true, _ = roc_curve(study.positive[read], row[read])
            curves.append(np.interp(_GRID, false, true))
    return np.asarray(np.mean(curves, axis=0)) if curves else np.full(_GRID.shape, np.nan)


def reader_tables(figures: Mapping[str, Any]) -> tuple[Table, ...]:
    """Means over readers beside what was published, and every reader's own figures."""
    names = ("auc", "pr_auc", "specificity")
    means = [Row(who, tuple(cell(figures[who], name) for name in names)) for who in ("readers", "model", "hybrid")]
    means.append(Row("published, mammography", tuple(Cell(figures["published"][name]) for name in names)))
    own = ("cases", "sensitivity", "specificity", "auc", "pr_auc", "hybrid_auc", "hybrid_pr_auc", "hybrid_specificity")
    single = tuple(Row(reader, tuple(cell(one, name) for name in own)) for reader, one in figures["by_reader"].items())
    return (
        Table("Means over readers", ("", *_HEAD), tuple(means)),
        Table("Each reader", ("reader", *(name.replace("_", " ") for name in own)), single),
    )
