"""Figures of a model for mammography exams: per breast and per exam, with intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.learning.metrics.calibration import Floats, Ints
from dicomnode.learning.metrics.resampling import Interval, bootstrap, resampled_by
from dicomnode.learning.metrics.weighted_figures import Bools, operating_counts, operating_rates, ranked

_RESAMPLES = 1000
_AREAS = ("breast_auc", "breast_pr_auc", "exam_auc", "exam_pr_auc")


@dataclass(frozen=True, slots=True)
class BreastScores:
    """Answers for the breasts of a set of exams, one row a breast.

    Attributes:
        scores: (N, K) 0..1; they need not add up to 1, as a breast may have a benign and a malignant lesion.
        truths: (N, K) whether there is such a lesion.
        exams: (N,) the exam of every breast.
        sides: (N,) ``L`` or ``R``.
        groups: (N,) the patient of every breast or, where none is known, the exam; resampled together.
        findings: Indices of the classes that are compared with the threshold, by the highest of their scores.
        threshold: Operating point of a breast.
    """

    scores: Floats
    truths: Bools
    exams: tuple[str, ...]
    sides: tuple[str, ...]
    groups: tuple[str, ...]
    findings: tuple[int, ...]
    threshold: float

    def subset(self, chosen: Sequence[int]) -> BreastScores:
        """The same for some of the breasts."""
        where = np.asarray(chosen, dtype=np.int64)
        exams, sides, groups = (
            tuple(values[index] for index in chosen) for values in (self.exams, self.sides, self.groups)
        )
        return BreastScores(self.scores[where], self.truths[where], exams, sides, groups, self.findings, self.threshold)

    @property
    def finding_scores(self) -> Floats:
        """(N,) highest score of a class that is a finding."""
        return np.asarray(self.scores[:, self.findings].max(axis=1))

    @property
    def finding_truths(self) -> Bools:
        """(N,) whether the breast has one."""
        return np.asarray(self.truths[:, self.findings].any(axis=1))

    def of_exams(self) -> BreastScores:
        """One row an exam, in the order of their first breasts: the higher score and either truth, without a side."""
        first, place = _exams(self.exams)
        scores = np.zeros((len(first), self.scores.shape[1]))
        truths = np.zeros(scores.shape, dtype=np.bool_)
        np.maximum.at(scores, place, self.scores)
        np.logical_or.at(truths, place, self.truths)
        exams, groups = (tuple(values[index] for index in first) for values in (self.exams, self.groups))
        return BreastScores(scores, truths, exams, ("",) * len(first), groups, self.findings, self.threshold)


@dataclass(frozen=True, slots=True)
class ExamClassFigures:
    """One kind of lesion; areas are NaN where all breasts or exams are of one kind.

    Attributes:
        breasts: With such a lesion.
        exams: With such a lesion in either breast.
        breast_auc: Area under the ROC curve over breasts.
        breast_pr_auc: Average precision over breasts.
        exam_auc: Area under the ROC curve over exams.
        exam_pr_auc: Average precision over exams.
        intervals: 95 % bootstrap intervals by figure.
    """

    breasts: int
    exams: int
    breast_auc: float
    breast_pr_auc: float
    exam_auc: float
    exam_pr_auc: float
    intervals: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class ExamFigures:
    """What `dicomnode evaluate` reports of a model for exams; fractions are 0..1.

    Attributes:
        exams: Number of exams.
        breasts: Number of breasts with an answer and a truth.
        breast_auc: Area under the ROC curve over breasts, finding against none.
        breast_pr_auc: Average precision over breasts.
        exam_auc: Over exams; an exam's score is its higher breast's.
        exam_pr_auc: Likewise.
        sensitivity: Breasts with a finding that reach the operating point.
        specificity: Breasts without one that stay below it.
        exam_sensitivity: Exams with a finding of which a breast reaches it.
        exam_specificity: Exams without one of which none does.
        operating_counts: Breasts: true and false positives and negatives at the operating point.
        classes: By class name.
        intervals: 95 % bootstrap intervals by figure; NaN if all exams are of one patient.
        resampled: ``patient`` or ``exam``.
    """

    exams: int
    breasts: int
    breast_auc: float
    breast_pr_auc: float
    exam_auc: float
    exam_pr_auc: float
    sensitivity: float
    specificity: float
    exam_sensitivity: float
    exam_specificity: float
    operating_counts: dict[str, int]
    classes: dict[str, ExamClassFigures]
    intervals: dict[str, Interval]
    resampled: str


def exam_figures(breasts: BreastScores, names: Sequence[str], seed: int) -> ExamFigures:
    """Every figure of one set of exams.

    Args:
        breasts: The answers.
        names: Of the K classes.
        seed: Of the bootstrap.
    """
    exams, first = breasts.of_exams(), _exams(breasts.exams)[0]

    def figures(weights: Floats) -> dict[str, Floats]:
        # An exam's breasts are one patient's, so that the first one's weight is the exam's.
        return _areas(breasts, exams, weights, weights[:, first]) | _rates(breasts, exams, weights, weights[:, first])

    once = np.ones((1, len(breasts.groups)))
    values = {name: float(value[0]) for name, value in figures(once).items()}
    intervals = bootstrap(breasts.groups, figures, _RESAMPLES, seed)
    overall = {name: value for name, value in values.items() if "/" not in name}
    counts = operating_counts(breasts.finding_truths, breasts.finding_scores >= breasts.threshold, once)
    return ExamFigures(
        exams=len(exams.exams),
        breasts=len(breasts.exams),
        operating_counts={name: int(value[0]) for name, value in counts.items()},
        classes={name: _of_class(index, breasts, exams, values, intervals) for index, name in enumerate(names)},
        intervals={name: intervals[name] for name in overall},
        resampled="exam" if resampled_by(exams.groups) == "image" else "patient",
        **overall,
    )


def _areas(breasts: BreastScores, exams: BreastScores, by_breast: Floats, by_exam: Floats) -> dict[str, Floats]:
    """Areas of a finding against none and, as ``<class>/<figure>``, of each class."""
    areas: dict[str, Floats] = {}
    for unit, rows, weights in (("breast", breasts, by_breast), ("exam", exams, by_exam)):
        columns = {"": (rows.finding_scores, rows.finding_truths)}
        columns |= {f"{k}/": (rows.scores[:, k], rows.truths[:, k]) for k in range(rows.scores.shape[1])}
        for mark, (scores, truths) in columns.items():
            ranking = ranked(scores, truths, weights)
            areas[f"{mark}{unit}_auc"] = ranking.auc
            areas[f"{mark}{unit}_pr_auc"] = ranking.average_precision
    return areas


def _rates(breasts: BreastScores, exams: BreastScores, by_breast: Floats, by_exam: Floats) -> dict[str, Floats]:
    rates: dict[str, Floats] = {}
    for mark, rows, weights in (("", breasts, by_breast), ("exam_", exams, by_exam)):
        counts = operating_counts(rows.finding_truths, rows.finding_scores >= rows.threshold, weights)
        every = operating_rates(counts)
        rates |= {f"{mark}{name}": every[name] for name in ("sensitivity", "specificity")}
    return rates


def _of_class(
    index: int,
    breasts: BreastScores,
    exams: BreastScores,
    values: Mapping[str, float],
    intervals: Mapping[str, Interval],
) -> ExamClassFigures:
    return ExamClassFigures(
        breasts=int(breasts.truths[:, index].sum()),
        exams=int(exams.truths[:, index].sum()),
        intervals={name: intervals[f"{index}/{name}"] for name in _AREAS},
        **{name: values[f"{index}/{name}"] for name in _AREAS},
    )


def _exams(names: Sequence[str]) -> tuple[npt.NDArray[np.int64], Ints]:
    """Row of each exam's first breast, and each breast's place among the exams."""
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    place = np.array([places[name] for name in names], dtype=np.int64)
    return np.unique(place, return_index=True)[1], place
