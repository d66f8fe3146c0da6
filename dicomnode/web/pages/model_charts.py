"""The charts of a model: ROC or FROC, calibration, scores of the test, and what it does in service."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dicomnode.bundles.measured import CalibrationBin, Curve, Measured, MeasuredRows
from dicomnode.web.api.in_service import Service, expected_scores
from dicomnode.web.languages import marked
from dicomnode.web.pages.charts import (
    BOTTOM,
    LEFT,
    Chart,
    Column,
    Line,
    Scale,
    Tick,
    across,
    counts,
    octaves,
    path,
    shares,
    upward,
)
from dicomnode.web.pages.words import word_of

_FALSE_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_FROC_RATES = {"1/8": 0.125, "1/4": 0.25, "1/2": 0.5, "1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0}
_LEAST_FALSE, _MOST_FALSE = 1 / 16, 16.0
_SERIES = 8
# From what asks for attention to what does not
_OUTCOMES = ("failed", "refused", "out_of_scope", "no_findings", "findings")


def measured_charts(measured: Measured, rows: MeasuredRows) -> list[Chart]:
    """The charts of one choice of cases; those without content are left out."""
    charts = []
    if rows.curves:
        charts.append(_froc(rows) if rows.curve == "froc" else _roc(rows))
    if rows.calibration:
        charts.append(_calibration(rows))
    if sum(rows.with_finding) + sum(rows.without_finding):
        charts.append(_spread(rows, measured.threshold))
    return charts


def service_charts(service: Service, measured: Measured | None, threshold: float | None) -> list[Chart]:
    """What a model does in service; nothing before its first answer."""
    charts = [_weeks(service)] if service.answers else []
    return charts + ([_scores(service, measured, threshold)] if sum(service.scores) else [])


def _roc(rows: MeasuredRows) -> Chart:
    x, y = across(0, 1), upward(1)
    lines = [Line("", path(((0, 0), (1, 1)), x, y), "diagonal")]
    lines += [_line(index, curve, path(curve.points, x, y)) for index, curve in reversed(list(enumerate(rows.curves)))]
    reached = [tuple(f"{_height(curve, rate):.3f}" for rate in _FALSE_RATES) for curve in rows.curves]
    return Chart(
        key=f"roc-{rows.name}",
        title=marked("ROC curve"),
        x_title=marked("false positive rate"),
        y_title=marked("sensitivity"),
        x_ticks=shares(x),
        y_ticks=shares(y),
        lines=tuple(lines),
        dots=_dot(rows, x, y),
        head=(marked("Sensitivity at a false positive rate of"), *(f"{rate:g}" for rate in _FALSE_RATES)),
        rows=tuple((curve.name, *cells) for curve, cells in zip(rows.curves, reached, strict=True)),
    )


def _froc(rows: MeasuredRows) -> Chart:
    x, y = octaves(_LEAST_FALSE, _MOST_FALSE), upward(1)
    (curve, *_) = rows.curves
    ends = (*curve.points, (_MOST_FALSE, curve.points[-1][1]))
    return Chart(
        key=f"froc-{rows.name}",
        title=marked("FROC curve"),
        x_title=marked("false boxes per image"),
        y_title=marked("share of lesions found"),
        x_ticks=tuple(Tick(x(rate), name) for name, rate in _FROC_RATES.items()),
        y_ticks=shares(y),
        lines=(Line("", _steps(ends, x, y), "series-0"),),
        dots=_dot(rows, x, y),
        head=(marked("False boxes per image"), marked("Share of lesions found")),
        rows=tuple((name, f"{_height(curve, rate):.3f}") for name, rate in _FROC_RATES.items()),
    )


def _calibration(rows: MeasuredRows) -> Chart:
    x, y = across(0, 1), upward(1)
    is_class = rows.unit == "image"
    columns = tuple(_bar(x, y, one.low, one.high, one.right, "column") for one in rows.calibration)
    return Chart(
        key=f"calibration-{rows.name}",
        title=marked("Calibration"),
        x_title=marked("probability of the most probable class") if is_class else marked("score"),
        y_title=marked("share that is right") if is_class else marked("share with a finding"),
        x_ticks=shares(x),
        y_ticks=shares(y),
        lines=(Line("", path(((0, 0), (1, 1)), x, y), "diagonal"),),
        columns=columns,
        head=(marked("From"), marked("to"), marked("Cases"), marked("Mean score"), marked("Share that is right")),
        rows=tuple(_bin_row(one) for one in rows.calibration),
    )


def _bin_row(one: CalibrationBin) -> tuple[str, ...]:
    return (f"{one.low:.2f}", f"{one.high:.2f}", str(one.cases), f"{one.score:.3f}", f"{one.right:.3f}")


def _spread(rows: MeasuredRows, threshold: float) -> Chart:
    """Both kinds of cases, each as shares of its own kind, since there may be many more of one."""
    kinds = [
        (marked("without a finding"), rows.without_finding, "second"),
        (marked("with a finding"), rows.with_finding, ""),
    ]
    heights = [[count / max(sum(found), 1) for count in found] for _, found, _ in kinds]
    x, (y_ticks, y) = across(0, 1), _share_axis(max(map(max, heights)))
    bins = len(rows.with_finding)
    columns = [
        _bar(x, y, (at + side / 2) / bins, (at + (side + 1) / 2) / bins, share, f"column {look}".strip())
        for side, ((_, _, look), column) in enumerate(zip(kinds, heights, strict=True))
        for at, share in enumerate(column)
        if share
    ]
    table = [(at, one, other) for at, (one, other) in enumerate(zip(*(found for _, found, _ in kinds), strict=True))]
    return Chart(
        key=f"spread-{rows.name}",
        title=marked("Scores of the test"),
        x_title=marked("score"),
        y_title=marked("share of cases"),
        x_ticks=shares(x),
        y_ticks=y_ticks,
        columns=tuple(columns),
        marks=(x(threshold),),
        legend=tuple((f"{name}", f"column {look}".strip()) for name, _, look in kinds),
        head=(marked("Score from"), marked("without a finding"), marked("with a finding")),
        rows=tuple((f"{at / bins:.2f}", str(one), str(other)) for at, one, other in table if one or other),
    )


def _weeks(service: Service) -> Chart:
    most = max(sum(week.outcomes.values()) for week in service.weeks)
    top, values = counts(most)
    x, y = across(0, len(service.weeks)), upward(top)
    shown = [name for name in _OUTCOMES if any(week.outcomes.get(name) for week in service.weeks)]
    columns: list[Column] = []
    for at, week in enumerate(service.weeks):
        height = 0.0
        for name in reversed(shown):
            count = week.outcomes.get(name, 0)
            bottom, height = height, height + count
            if count:
                columns.append(
                    Column(x(at + 0.12), y(height), x(0.76) - LEFT, y(bottom) - y(height), f"outcome {name}")
                )
    return Chart(
        key="weeks",
        title=marked("Answers by week"),
        x_title=marked("week that begins on"),
        y_title=marked("answers"),
        x_ticks=tuple(
            Tick(x(at + 0.5), f"{week.first_day:%m-%d}") for at, week in enumerate(service.weeks) if at % 3 == 2
        ),
        y_ticks=tuple(Tick(y(value), f"{value:g}") for value in values),
        columns=tuple(columns),
        legend=tuple((word_of(name), f"outcome {name}") for name in shown),
        head=(marked("Week"), *(word_of(name) for name in shown)),
        rows=tuple(
            (str(week.first_day), *(str(week.outcomes.get(name, 0)) for name in shown))
            for week in service.weeks
            if week.outcomes
        ),
    )


def _scores(service: Service, measured: Measured | None, threshold: float | None) -> Chart:
    """Shares, so that a few answers in service can be laid beside many of the test."""
    seen, expected = service.scores, expected_scores(measured)
    here = [count / sum(seen) for count in seen]
    there = [count / sum(expected) for count in expected] if sum(expected) else []
    x, (y_ticks, y) = across(0, 1), _share_axis(max(here + there))
    bins = len(seen)
    stairs = [(edge / bins, share) for at, share in enumerate(there) for edge in (at, at + 1)]
    legend = [(marked("in service"), "column")]
    return Chart(
        key="scores",
        title=marked("Scores in service"),
        x_title=marked("score"),
        y_title=marked("share of answers"),
        x_ticks=shares(x),
        y_ticks=y_ticks,
        lines=(Line(marked("in the test"), path(stairs, x, y), "stairs"),) if there else (),
        columns=tuple(
            _bar(x, y, at / bins, (at + 1) / bins, share, "column") for at, share in enumerate(here) if share
        ),
        marks=() if threshold is None else (x(threshold),),
        legend=tuple(legend),
        head=(marked("Score from"), marked("in service"), *((marked("in the test"),) if there else ())),
        rows=tuple(
            (f"{at / bins:.2f}", str(count), *((str(expected[at]),) if there else ()))
            for at, count in enumerate(seen)
            if count or (there and expected[at])
        ),
    )


def _line(index: int, curve: Curve, points: str) -> Line:
    figure = "" if curve.area is None else f"{curve.area:.3f}"
    return Line(curve.name, points, f"series-{index % _SERIES}", figure)


def _dot(rows: MeasuredRows, x: Scale, y: Scale) -> tuple[tuple[float, float], ...]:
    return () if rows.operating_point is None else ((x(rows.operating_point[0]), y(rows.operating_point[1])),)


def _height(curve: Curve, rate: float) -> float:
    """The highest value of a curve up to a rate."""
    return max((y for x, y in curve.points if x <= rate + 1e-9), default=0.0)


def _steps(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    """No threshold lies between two points of a FROC curve."""
    corners = [points[0]]
    for (_, before), point in pairwise(points):
        corners += [(point[0], before), point]
    return path(corners, x, y)


def _bar(x: Scale, y: Scale, low: float, high: float, value: float, look: str) -> Column:
    left, right = x(low) + 0.5, x(high) - 0.5
    return Column(left, y(value), round(max(right - left, 0.5), 2), round(BOTTOM - y(value), 2), look)


def _share_axis(most: float) -> tuple[tuple[Tick, ...], Scale]:
    top = next(top for top in (0.1, 0.2, 0.5, 1.0) if most <= top)
    y = upward(top)
    return tuple(Tick(y(top * part / 5), f"{top * part / 5:g}") for part in range(6)), y
