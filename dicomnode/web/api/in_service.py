"""How a model does in service: what it answered week by week, and how its scores spread against those of its test."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from dicomnode.archive.answers import AnswerStore, GivenAnswer
from dicomnode.bundles import Measured

BINS = 20
_WEEKS = 12
_MOST_ANSWERS = 10_000
_LEAST_FOR_DRIFT = 50
_LEAST_SHARE = 0.001
_DRIFT_BINS = 10


class Week(BaseModel):
    """Answers of one week, Monday to Sunday (UTC)."""

    model_config = ConfigDict(frozen=True)

    first_day: date
    outcomes: dict[str, int]


class Service(BaseModel):
    """What a model answered here.

    Attributes:
        answers: How many are looked at: the last 10,000 at most.
        since: When the first of them was given.
        outcomes: How many of each outcome.
        weeks: The last twelve weeks, oldest first.
        scores: How many answers of the present bundle have a score in each of twenty equal bins from 0 to 1.
        of_others: Answers with a score that another state of the bundle gave; they are in no bin.
        drift: Population stability index of the scores against those of the test; none below 50 scores or without a
            measurement. Above 0.25 the two differ much: other patients, other devices, or another share of findings.
    """

    model_config = ConfigDict(frozen=True)

    answers: int
    since: datetime | None
    outcomes: dict[str, int]
    weeks: tuple[Week, ...]
    scores: tuple[int, ...]
    of_others: int
    drift: float | None


class InService:
    """What models answered, counted anew only when there is something new."""

    def __init__(self, answers: AnswerStore) -> None:
        self._answers = answers
        self._counted: dict[tuple[str, str], tuple[object, Service]] = {}

    def of(self, model_name: str, digest: str, measured: Measured | None, today: date) -> Service:
        """How a model does.

        Args:
            model_name: Its name.
            digest: Of the bundle as it lies there.
            measured: What it was measured to do.
            today: By UTC.
        """
        mark = (*self._answers.newest(model_name), today, measured)
        known = self._counted.get((model_name, digest))
        if known is None or known[0] != mark:
            answers = self._answers.list(model_name, _MOST_ANSWERS)
            known = mark, counted(answers, digest, measured, today)
            self._counted[model_name, digest] = known
        return known[1]


def counted(answers: Sequence[GivenAnswer], digest: str, measured: Measured | None, today: date) -> Service:
    """Count answers, newest first."""
    scores, of_others = [0] * BINS, 0
    for answer in answers:
        if answer.score is not None and answer.bundle_digest == digest:
            scores[min(int(answer.score * BINS), BINS - 1)] += 1
        elif answer.score is not None:
            of_others += 1
    return Service(
        answers=len(answers),
        since=answers[-1].finished_at if answers else None,
        outcomes=dict(Counter(answer.outcome for answer in answers)),
        weeks=_weeks(answers, today),
        scores=tuple(scores),
        of_others=of_others,
        drift=drift(scores, expected_scores(measured)),
    )


def _weeks(answers: Sequence[GivenAnswer], today: date) -> tuple[Week, ...]:
    this = _monday(today)
    weeks = {this - timedelta(weeks=back): Counter[str]() for back in range(_WEEKS)}
    for answer in answers:
        monday = _monday(answer.finished_at.date())
        if monday in weeks:
            weeks[monday][answer.outcome] += 1
    return tuple(Week(first_day=day, outcomes=dict(counts)) for day, counts in sorted(weeks.items()))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def expected_scores(measured: Measured | None) -> tuple[int, ...]:
    """How the scores of the test spread over the same bins; nothing where it was not measured so."""
    if measured is None or not measured.rows:
        return ()
    rows = measured.rows[0]
    both = tuple(one + other for one, other in zip(rows.with_finding, rows.without_finding, strict=False))
    return both if len(both) == BINS else ()


def drift(seen: Sequence[int], expected: Sequence[int]) -> float | None:
    """The population stability index of two histograms, over ten bins; None where there is too little to tell."""
    if sum(seen) < _LEAST_FOR_DRIFT or not sum(expected):
        return None
    shares = zip(_shares(seen), _shares(expected), strict=True)
    return round(sum((one - other) * math.log(one / other) for one, other in shares), 3)


def _shares(counts: Sequence[int]) -> list[float]:
    step, whole = len(counts) // _DRIFT_BINS, sum(counts)
    return [max(sum(counts[at : at + step]) / whole, _LEAST_SHARE) for at in range(0, len(counts), step)]
