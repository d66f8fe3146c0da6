"""Readers, a model and both together: areas, and specificity at the readers' sensitivity, averaged over readers.

The hybrid is that of Wu et al. (IEEE TMI 2020) and Shen et al. (Medical Image Analysis 2021): a reader's probability
and the model's, weighted and added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dicomnode.learning.metrics.calibration import Floats
from dicomnode.learning.metrics.resampling import Interval, bootstrap, resampled_by
from dicomnode.learning.metrics.weighted_figures import (
    Bools,
    mean_of_numbers,
    operating_counts,
    operating_rates,
    ranked,
)

_RESAMPLES = 1000
_WHO = ("readers", "model", "hybrid")
_FIGURES = ("auc", "pr_auc", "specificity")
_WEIGHTS = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True, slots=True)
class ReaderStudy:
    """Cases that readers assessed, and what the model said of them.

    Attributes:
        readers: M names.
        readings: (M, N) each reader's probability, 0..1; NaN where the reader did not assess the case.
        model: (N,) the model's score, 0..1.
        positive: (N,) the truth.
        groups: (N,) patients, who are resampled as a whole.
        recall_above: A reader calls a case positive whose probability is above this.
    """

    readers: tuple[str, ...]
    readings: Floats
    model: Floats
    positive: Bools
    groups: tuple[str, ...]
    recall_above: float

    def hybrid(self, weight: float) -> Floats:
        """(M, N) ``weight`` times the reader's probability and 1 - ``weight`` times the model's."""
        return np.asarray(weight * self.readings + (1 - weight) * self.model)


@dataclass(frozen=True, slots=True)
class WhoFigures:
    """Figures of the readers, the model or the hybrid, averaged over readers.

    Attributes:
        auc: Area under the ROC curve.
        pr_auc: Average precision.
        specificity: Of the readers, by their own calls; of the others, the highest at the readers' mean sensitivity.
        intervals: 95 % bootstrap intervals by figure, over patients.
    """

    auc: float
    pr_auc: float
    specificity: float
    intervals: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class OneReader:
    """One reader's figures, alone and with the model, on the cases that the reader assessed."""

    cases: int
    sensitivity: float
    specificity: float
    auc: float
    pr_auc: float
    hybrid_auc: float
    hybrid_pr_auc: float
    hybrid_specificity: float


@dataclass(frozen=True, slots=True)
class HybridFigures:
    """What `dicomnode evaluate --readers` reports.

    Attributes:
        cases: Assessed by one reader at least.
        positive: Among them.
        weight: Lambda, the reader's share of the hybrid, 0..1.
        recall_above: Probability above which a reader's assessment counts as a call.
        sensitivity: The readers' mean, by their calls; specificities of model and hybrid are read there.
        sensitivity_interval: 95 %.
        readers: Averaged over readers.
        model: On each reader's cases, averaged over readers.
        hybrid: Of each reader with the model, averaged over readers.
        by_reader: By name.
        resampled: ``patient`` or ``case``.
    """

    cases: int
    positive: int
    weight: float
    recall_above: float
    sensitivity: float
    sensitivity_interval: Interval
    readers: WhoFigures
    model: WhoFigures
    hybrid: WhoFigures
    by_reader: dict[str, OneReader]
    resampled: str


def hybrid_figures(study: ReaderStudy, weight: float, seed: int) -> HybridFigures:
    """Every figure of one reader study.

    Args:
        study: The cases.
        weight: Lambda, the reader's share of the hybrid, 0..1.
        seed: Of the bootstrap.
    """

    def means(weights: Floats) -> dict[str, Floats]:
        return {name: mean_of_numbers(values) for name, values in _by_reader(study, weight, weights).items()}

    once = np.ones((1, len(study.model)))
    single = _by_reader(study, weight, once)
    values = {name: float(value[0]) for name, value in means(once).items()}
    intervals = bootstrap(study.groups, means, _RESAMPLES, seed)
    return HybridFigures(
        cases=len(study.model),
        positive=int(study.positive.sum()),
        weight=weight,
        recall_above=study.recall_above,
        sensitivity=values["sensitivity"],
        sensitivity_interval=intervals["sensitivity"],
        by_reader={name: _one_reader(study, single, place) for place, name in enumerate(study.readers)},
        resampled="case" if resampled_by(study.groups) == "image" else "patient",
        **{who: _of(who, values, intervals) for who in _WHO},
    )


def best_weight(study: ReaderStudy) -> float:
    """Lambda of the highest mean AUC of the hybrids among 0, 0.05 .. 1; of equals, the nearest to one half."""
    once = np.ones((1, len(study.model)))
    areas = [float(mean_of_numbers(_by_reader(study, weight, once)["hybrid/auc"])[0]) for weight in _WEIGHTS]
    best = max(areas)
    equals = [float(weight) for weight, area in zip(_WEIGHTS, areas, strict=True) if area >= best - 1e-12]
    nearest = min(equals, key=lambda weight: abs(weight - 0.5))
    return round(nearest, 2)


def _by_reader(study: ReaderStudy, weight: float, weights: Floats) -> dict[str, Floats]:
    """(R, M) of every figure for every reader; the readers' mean sensitivity decides where specificity is read."""
    own = [_own_rates(study, place, weights) for place in range(len(study.readers))]
    figures = {name: np.stack([one[name] for one in own], axis=1) for name in ("sensitivity", "specificity")}
    goal = mean_of_numbers(figures["sensitivity"])
    columns: dict[str, list[Floats]] = {f"{who}/{name}": [] for who in _WHO for name in _FIGURES}
    scores = {"readers": study.readings, "model": np.tile(study.model, (len(study.readers), 1))}
    for who, rows in (scores | {"hybrid": study.hybrid(weight)}).items():
        for place, row in enumerate(rows):
            read = ~np.isnan(study.readings[place])
            ranking = ranked(row[read], study.positive[read], weights[:, read])
            columns[f"{who}/auc"].append(ranking.auc)
            columns[f"{who}/pr_auc"].append(ranking.average_precision)
            columns[f"{who}/specificity"].append(ranking.specificity_at(goal))
    columns["readers/specificity"] = list(figures["specificity"].T)
    stacked = {name: np.stack(values, axis=1) for name, values in columns.items()}
    return stacked | {"sensitivity": figures["sensitivity"]}


def _own_rates(study: ReaderStudy, place: int, weights: Floats) -> dict[str, Floats]:
    """Sensitivity and specificity of one reader's calls."""
    read = ~np.isnan(study.readings[place])
    called = study.readings[place, read] > study.recall_above
    return operating_rates(operating_counts(study.positive[read], called, weights[:, read]))


def _one_reader(study: ReaderStudy, single: Mapping[str, Floats], place: int) -> OneReader:
    def value(name: str) -> float:
        return float(single[name][0, place])

    return OneReader(
        cases=int((~np.isnan(study.readings[place])).sum()),
        sensitivity=value("sensitivity"),
        specificity=value("readers/specificity"),
        auc=value("readers/auc"),
        pr_auc=value("readers/pr_auc"),
        hybrid_auc=value("hybrid/auc"),
        hybrid_pr_auc=value("hybrid/pr_auc"),
        hybrid_specificity=value("hybrid/specificity"),
    )


def _of(who: str, values: Mapping[str, float], intervals: Mapping[str, Interval]) -> WhoFigures:
    own = {name: values[f"{who}/{name}"] for name in _FIGURES}
    return WhoFigures(intervals={name: intervals[f"{who}/{name}"] for name in _FIGURES}, **own)
