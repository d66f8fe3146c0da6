"""The reader beside the model: readings laid beside a model's answers, case by case, and what both are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

import numpy as np

from dicomnode.errors import RecipeError
from dicomnode.learning.data.readings import CASE_COLUMNS, Reading, table_of_likelihoods
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.evaluation import Evaluation, without_nan
from dicomnode.learning.metrics.classification_metrics import Predictions
from dicomnode.learning.metrics.detection_metrics import Boxes
from dicomnode.learning.metrics.exam_metrics import BreastScores
from dicomnode.learning.metrics.hybrid import ReaderStudy, best_weight, hybrid_figures

Key = tuple[str, str]
_SIDE_COLUMNS = ("breast", "laterality", "side")
_SEED = 2026
PUBLISHED: Mapping[str, str] = MappingProxyType(
    {
        "source": "reader studies of mammography exams by Wu et al. 2020 and Shen et al. 2021",
        "auc": "hybrid 0.891",
        "pr_auc": "hybrid 0.431",
        "specificity": "hybrid 91.5 or 91.9 % (the source prints both) at the readers' sensitivity of 62.1 %",
    }
)


@dataclass(frozen=True, slots=True)
class Case:
    """What the model said of one image or breast, and by which names a reading may mean it.

    Attributes:
        names: By ``image``, ``exam`` and ``patient``; empty where there is none.
        side: ``L``, ``R`` or empty.
        score: 0..1.
        positive: The truth.
        group: Who is resampled as a whole.
    """

    names: Mapping[str, str]
    side: str
    score: float
    positive: bool
    group: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A reader study and how it came about.

    Attributes:
        study: The cases.
        unit: What a case is, such as ``image`` or ``breast, by exam``.
        unread: Cases of the split that no reader assessed.
        unmatched: Readings of cases that the split does not have.
    """

    study: ReaderStudy
    unit: str
    unread: int
    unmatched: int


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """How readers and model are put together.

    Attributes:
        weight: Lambda, the reader's share of the hybrid, 0..1.
        recall_above: A reader calls a case positive whose probability is above this.
    """

    weight: float
    recall_above: float


def with_readers(
    evaluation: Evaluation, readings: Sequence[Reading], options: ReaderOptions, valid: Evaluation | None = None
) -> tuple[Evaluation, Beside]:
    """The evaluation with the key ``readers`` in its report, and the cases behind it.

    Args:
        evaluation: Of a classifier or an exam model.
        readings: Of cases of its split, and of ``valid``.
        options: How to combine.
        valid: Where to choose the weight instead, by the hybrids' AUC.

    Raises:
        RecipeError: If the model is a detector, or the readings are not of the cases.
    """
    weight, chosen = options.weight, "given"
    if valid is not None:
        weight = best_weight(_beside(valid, readings, options.recall_above).study)
        chosen = f"of the highest AUC on split {valid.report['split']}"
    pair = _beside(evaluation, readings, options.recall_above)
    told = {
        "unit": pair.unit,
        "unread": pair.unread,
        "unmatched": pair.unmatched,
        "weight_chosen": chosen,
        "birads": table_of_likelihoods(),
    }
    figures = asdict(hybrid_figures(pair.study, weight, _SEED))
    report = evaluation.report | {"readers": without_nan(told | figures | {"published": dict(PUBLISHED)})}
    return replace(evaluation, report=report), pair


def _beside(evaluation: Evaluation, readings: Sequence[Reading], recall_above: float) -> Beside:
    answers = evaluation.answers
    if isinstance(answers, Boxes):
        raise RecipeError(f"{evaluation.bundle.name}: is a detector; readers can be compared with a score of each case")
    cases = cases_of(answers, evaluation.store.samples)
    return beside(cases, readings, averaged=isinstance(answers, Predictions), recall_above=recall_above)


def cases_of(answers: Predictions | BreastScores, samples: Sequence[Sample]) -> tuple[Case, ...]:
    """A case for every image of a classifier or every breast of an exam model.

    Args:
        answers: What the model said.
        samples: A classifier's images, in the same order.
    """
    if isinstance(answers, BreastScores):
        rows = zip(
            answers.exams,
            answers.sides,
            answers.groups,
            answers.finding_scores.tolist(),
            answers.finding_truths.tolist(),
            strict=True,
        )
        return tuple(
            Case({"image": "", "exam": exam, "patient": group}, side, score, truth, group)
            for exam, side, group, score, truth in rows
        )
    scored = zip(samples, answers.groups, answers.scores.tolist(), answers.positive.tolist(), strict=True)
    return tuple(_of_image(sample, group, score, truth) for sample, group, score, truth in scored)


def beside(cases: Sequence[Case], readings: Sequence[Reading], *, averaged: bool, recall_above: float) -> Beside:
    """The cases that were read, with every reader's probability.

    Cases are named by image, exam or patient: by the first of these that all readings give and a case has. Where
    readings name breasts, a case is a breast.

    Args:
        cases: What the model said.
        readings: What the readers said.
        averaged: Of several images of one case the model's mean score is taken; else, of two breasts, the higher.
        recall_above: A reader calls a case positive whose probability is above this.

    Raises:
        RecipeError: If no reading is of a case, only some name a breast, or a patient has several exams.
    """
    if len({bool(reading.side) for reading in readings}) > 1:
        raise RecipeError("readings: some name a breast and some do not; name one in all of them or in none")
    by_side = bool(readings and readings[0].side)
    name = _naming(cases, readings, by_side)
    members = _members(cases, name, by_side)
    if any(len({case.names["exam"] for case in same}) > 1 for same in members.values()):
        raise RecipeError("readings: a patient of this split has several exams; name the exam of each reading")
    table: dict[Key, dict[str, float]] = {}
    for reading in readings:
        table.setdefault(_key(reading, name, by_side), {})[reading.reader] = reading.probability
    known = [key for key in members if key in table]
    readers = tuple(sorted({reader for key in known for reader in table[key]}))
    scores = [[case.score for case in members[key]] for key in known]
    study = ReaderStudy(
        readers,
        np.array([[table[key].get(reader, np.nan) for key in known] for reader in readers]),
        np.array([np.mean(values) if averaged else max(values) for values in scores]),
        np.array([any(case.positive for case in members[key]) for key in known], dtype=np.bool_),
        tuple(members[key][0].group for key in known),
        recall_above,
    )
    unmatched = sum(_key(reading, name, by_side) not in members for reading in readings)
    return Beside(study, f"breast, by {name}" if by_side else name, len(members) - len(known), unmatched)


def _naming(cases: Sequence[Case], readings: Sequence[Reading], by_side: bool) -> str:
    """Whether cases are named by image, exam or patient."""
    for name in CASE_COLUMNS:
        known = _members(cases, name, by_side).keys()
        if all(getattr(reading, name) for reading in readings) and any(
            _key(reading, name, by_side) in known for reading in readings
        ):
            return name
    has = [name for name in CASE_COLUMNS if _members(cases, name, by_side=False)]
    breasts = " and breast" if by_side else ""
    raise RecipeError(
        f"readings: none is of a case of this split; the data set names its cases by {' or '.join(has)}{breasts}"
        + ("" if not by_side or any(case.side for case in cases) else ", but says of none which breast it is")
    )


def _members(cases: Sequence[Case], name: str, by_side: bool) -> dict[Key, list[Case]]:
    """What a reading may mean by a name, and by a side where readings give one."""
    members: dict[Key, list[Case]] = {}
    for case in cases:
        if case.names[name] and (case.side or not by_side):
            members.setdefault((case.names[name], case.side if by_side else ""), []).append(case)
    return members


def _key(reading: Reading, name: str, by_side: bool) -> Key:
    return getattr(reading, name), reading.side if by_side else ""


def _of_image(sample: Sample, group: str, score: float, positive: bool) -> Case:
    columns = dict(sample.columns)
    side = next((columns[name].strip()[:1].upper() for name in _SIDE_COLUMNS if columns.get(name)), "")
    names = {"image": sample.name, "exam": columns.get("exam", ""), "patient": sample.patient}
    return Case(names, side, score, positive, group)
