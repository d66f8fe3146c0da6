"""What an evaluation says, thinned to what a page draws: ``docs/evaluation.json`` of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from dicomnode import __version__
from dicomnode.bundles.measured import CalibrationBin, Curve, Figure, Measured, MeasuredRows
from dicomnode.learning.evaluation import Evaluation
from dicomnode.learning.metrics.calibration import Floats, score_bins
from dicomnode.learning.metrics.classification_metrics import Predictions
from dicomnode.learning.metrics.detection_metrics import Boxes
from dicomnode.learning.metrics.exam_metrics import BreastScores
from dicomnode.learning.metrics.lesions import found_boxes
from dicomnode.learning.metrics.weighted_figures import Bools

_STEP = 200
"""Points nearer than 1/200 to each other are one."""
_PLACES = 4
_SPREAD_BINS = 20
_LEAST_FALSE, _MOST_FALSE = 1 / 16, 16.0
_NOT_SHOWN = frozenset({"images", "recall_target", "exams", "breasts", "lesions", "mask_lesions"})


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How an evaluation came about.

    Attributes:
        data: Name of the data set's folder.
        command: How to repeat it.
        on: The day.
    """

    data: str
    command: str
    on: date


def measured_of(evaluation: Evaluation, how: Circumstances) -> Measured:
    """The evaluation of a bundle, to be kept with it."""
    report, bundle = evaluation.report, evaluation.bundle
    return Measured(
        bundle_digest=bundle.digest,
        version=bundle.version,
        task=bundle.node.task,
        data=how.data,
        split=report["split"],
        threshold=report["threshold"],
        command=how.command,
        measured_on=how.on,
        software=__version__,
        rows=tuple(_rows(evaluation, name) for name in ("all", "clean") if name in report),
    )


def _rows(evaluation: Evaluation, name: str) -> MeasuredRows:
    answers, figures = evaluation.answers, evaluation.report[name]
    names = [item.name for item in evaluation.bundle.node.classes]
    if isinstance(answers, BreastScores):
        return _of_exams(answers, figures, names)
    if isinstance(answers, Boxes):
        return of_boxes(answers, figures)
    if name == "clean":
        answers = answers.subset([index for index, sample in enumerate(evaluation.store.samples) if sample.clean])
    return _of_classes(answers, figures, names, name)


def _of_classes(answers: Predictions, figures: Mapping[str, Any], names: list[str], rows: str) -> MeasuredRows:
    curves = [roc_of("finding", answers.positive, answers.scores, figures["auc"])]
    if len(names) > 2:
        curves += [
            roc_of(name, answers.labels == index, answers.probabilities[:, index], figures["classes"][name]["auc"])
            for index, name in enumerate(names)
        ]
    right = answers.predicted == answers.labels
    return MeasuredRows(
        name="clean" if rows == "clean" else "all",
        cases=figures["images"],
        unit="image",
        curve="roc",
        curves=tuple(curve for curve in curves if curve.points),
        operating_point=_point(figures["fpr"], figures["sensitivity"]),
        calibration=_bins(answers.probabilities.max(axis=1), right),
        **_shared(figures, answers.scores, answers.positive),
    )


def _of_exams(answers: BreastScores, figures: Mapping[str, Any], names: list[str]) -> MeasuredRows:
    scores, truths = answers.finding_scores, answers.finding_truths
    curves = [roc_of("finding", truths, scores, figures["breast_auc"])]
    curves += [
        roc_of(name, answers.truths[:, index], answers.scores[:, index], figures["classes"][name]["breast_auc"])
        for index, name in enumerate(names)
        if (index,) != answers.findings
    ]
    specificity = figures["specificity"]
    return MeasuredRows(
        name="all",
        cases=figures["breasts"],
        unit="breast",
        curve="roc",
        curves=tuple(curve for curve in curves if curve.points),
        operating_point=_point(None if specificity is None else 1 - specificity, figures["sensitivity"]),
        calibration=_bins(scores, truths),
        **_shared(figures, scores, truths),
    )


def of_boxes(answers: Boxes, figures: Mapping[str, Any]) -> MeasuredRows:
    """Of a detector: FROC, and of each image the highest score of a box."""
    found, false = found_boxes(answers.truths, answers.found, answers.hit).curve()
    kept = false <= _MOST_FALSE
    # as far apart as on the plot's axis, which doubles with each step
    octaves = np.log2(np.maximum(false[kept], _LEAST_FALSE)) / np.log2(_MOST_FALSE / _LEAST_FALSE)
    points = () if np.isnan(found).any() else _thinned(false[kept], found[kept], octaves)
    best = np.array([float(item["scores"].max()) if len(item["scores"]) else 0.0 for item in answers.found])
    positive = np.array([len(truth.boxes) > 0 for truth in answers.truths])
    shared = _shared(figures, best, positive)
    shared["figures"] |= {
        f"froc_{name}": _figure(point["sensitivity"], point["interval"]) for name, point in figures["froc"].items()
    }
    return MeasuredRows(
        name="all",
        cases=figures["images"],
        unit="image",
        curve="froc",
        curves=(Curve("finding", None, points),) if points else (),
        operating_point=_point(figures["false_positives_per_image"], figures["sensitivity"]),
        calibration=(),
        **shared,
    )


def _shared(figures: Mapping[str, Any], scores: Floats, positive: Bools) -> dict[str, Any]:
    edges = np.linspace(0, 1, _SPREAD_BINS + 1)
    without, having = (np.histogram(np.clip(scores[chosen], 0, 1), edges)[0] for chosen in (~positive, positive))
    return {
        "resampled": figures["resampled"],
        "figures": _figures(figures),
        "classes": {name: _figures(one) for name, one in figures["classes"].items()},
        "without_finding": tuple(without.tolist()),
        "with_finding": tuple(having.tolist()),
    }


def _figures(figures: Mapping[str, Any]) -> dict[str, Figure]:
    intervals = figures["intervals"]
    return {
        name: _figure(value, intervals.get(name))
        for name, value in figures.items()
        if isinstance(value, int | float) and name not in _NOT_SHOWN
    }


def _figure(value: float | None, interval: list[float | None] | None) -> Figure:
    low, high = interval or (None, None)
    rounded = [None if number is None else round(float(number), _PLACES) for number in (value, low, high)]
    return Figure(*rounded)


def _point(x: float | None, y: float | None) -> tuple[float, float] | None:
    return None if x is None or y is None else (round(x, _PLACES), round(y, _PLACES))


def roc_of(name: str, positive: Bools, scores: Floats, area: float | None) -> Curve:
    """A thinned ROC curve; without points where all cases are of one kind."""
    if not positive.any() or positive.all():
        return Curve(name, None, ())
    false, true, _ = roc_curve(positive, scores)
    return Curve(name, None if area is None else round(area, _PLACES), _thinned(false, true, false))


def _thinned(x: Floats, y: Floats, across: Floats) -> tuple[tuple[float, float], ...]:
    """The ends, and what an eye can tell apart where a point is ``across`` of the plot's width, in their order."""
    _, places = np.unique(np.round(np.stack([across, y]) * _STEP), axis=1, return_index=True)
    kept = sorted({0, *places.tolist(), len(x) - 1})
    return tuple((round(float(x[place]), _PLACES), round(float(y[place]), _PLACES)) for place in kept)


def _bins(scores: Floats, right: Bools) -> tuple[CalibrationBin, ...]:
    return tuple(
        CalibrationBin(round(low, _PLACES), round(high, _PLACES), cases, round(mean, _PLACES), round(share, _PLACES))
        for low, high, cases, mean, share in score_bins(scores, right)
    )
