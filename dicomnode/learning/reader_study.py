"""The reader beside the model: readings laid beside a model's answers, case by case, and what both are worth."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydicom import dcmread

from dicomnode.dicom.parsing import PARSE_ERRORS
from dicomnode.errors import RecipeError
from dicomnode.learning.data.exam_store import ExamStore
from dicomnode.learning.data.readings import CASE_COLUMNS, Reading, table_of_likelihoods
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.store import ImageStore
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
        file: One of its pictures, where that is known.
    """

    names: Mapping[str, str]
    side: str
    score: float
    positive: bool
    group: str
    file: Path | None = None


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
    cases = cases_of(answers, evaluation.store)
    if not any(known_by(cases, readings, name) for name in ("image", "exam")):
        cases = named_by_study(cases)
    return beside(cases, readings, averaged=isinstance(answers, Predictions), recall_above=recall_above)


def cases_of(answers: Predictions | BreastScores, store: ImageStore | ExamStore) -> tuple[Case, ...]:
    """A case for every image of a classifier or every breast of an exam model.

    Args:
        answers: What the model said.
        store: What it was shown; a classifier's images are in the same order.
    """
    if isinstance(answers, BreastScores):
        images = store.images if isinstance(store, ExamStore) else ()
        files = {image.exam: image.sample.path for image in images}
        rows = zip(
            answers.exams,
            answers.sides,
            answers.groups,
            answers.finding_scores.tolist(),
            answers.finding_truths.tolist(),
            strict=True,
        )
        return tuple(
            Case({"image": "", "exam": exam, "patient": group}, side, score, truth, group, files.get(exam))
            for exam, side, group, score, truth in rows
        )
    scored = zip(store.samples, answers.groups, answers.scores.tolist(), answers.positive.tolist(), strict=True)
    return tuple(_of_image(sample, group, score, truth) for sample, group, score, truth in scored)


def named_by_study(cases: Sequence[Case]) -> tuple[Case, ...]:
    """The cases with the Study Instance UID as the name of the exam, where their pictures are DICOM files."""
    uids: dict[Path, str] = {}
    for file in {case.file for case in cases if case.file is not None}:
        with contextlib.suppress(*PARSE_ERRORS, OSError):
            uids[file] = str(dcmread(file, specific_tags=["StudyInstanceUID"]).get("StudyInstanceUID", ""))
    return tuple(
        replace(case, names={**case.names, "exam": uids[case.file]}) if case.file in uids else case for case in cases
    )


def beside(cases: Sequence[Case], readings: Sequence[Reading], *, averaged: bool, recall_above: float) -> Beside:
    """The cases that were read, with every reader's probability.

    Cases are named by image, exam or patient: by the first of these by which a reading is of a case. Where readings
    name breasts, a case is a breast.

    Args:
        cases: What the model said.
        readings: What the readers said.
        averaged: Of several images of one case the model's mean score is taken; else, of two breasts, the higher.
        recall_above: A reader calls a case positive whose probability is above this.

    Raises:
        RecipeError: If no reading is of a case, only some name a breast, or it is not clear which exam is meant.
    """
    name = _naming(cases, readings)
    own = known_by(cases, readings, name)
    by_side = _sided(own, cases)
    members = _members(cases, name, by_side)
    table = _table(own, name, by_side)
    known = [key for key in members if key in table]
    if not known:
        raise RecipeError("readings: none is of a breast of this split; look at their column breast")
    if any(len({case.names["exam"] for case in members[key]}) > 1 for key in known):
        raise RecipeError("readings: a patient of this split has several exams; name the exam of each reading")
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
    unmatched = len(readings) - sum(len(table[key]) for key in known)
    return Beside(study, f"breast, by {name}" if by_side else name, len(members) - len(known), unmatched)


def known_by(cases: Sequence[Case], readings: Sequence[Reading], name: str) -> tuple[Reading, ...]:
    """The readings of cases, if ``image``, ``exam`` or ``patient`` names them."""
    known = {case.names[name] for case in cases} - {""}
    return tuple(reading for reading in readings if getattr(reading, name) in known)


def _naming(cases: Sequence[Case], readings: Sequence[Reading]) -> str:
    """Whether cases are named by image, exam or patient."""
    found = next((name for name in CASE_COLUMNS if known_by(cases, readings, name)), None)
    if found is None:
        has = [name for name in CASE_COLUMNS if any(case.names[name] for case in cases)]
        raise RecipeError(
            f"readings: none is of a case of this split; the data set names its cases by {' or '.join(has)}, and DICOM "
            "files by their Study Instance UID as exam"
        )
    return found


def _sided(readings: Sequence[Reading], cases: Sequence[Case]) -> bool:
    """Whether the readings name breasts."""
    sided = {bool(reading.side) for reading in readings}
    if len(sided) > 1:
        raise RecipeError("readings: some name a breast and some do not; name one in all of them or in none")
    if True in sided and not any(case.side for case in cases):
        raise RecipeError("readings: name breasts, but the data set does not say which breast an image shows")
    return True in sided


def _table(readings: Sequence[Reading], name: str, by_side: bool) -> dict[Key, dict[str, float]]:
    """Every reader's probability of every case."""
    table: dict[Key, dict[str, float]] = {}
    for reading in readings:
        of_case = table.setdefault((getattr(reading, name), reading.side if by_side else ""), {})
        if reading.reader in of_case:
            raise RecipeError(f"readings: {reading.reader} has assessed a {name} twice; name the exam of each reading")
        of_case[reading.reader] = reading.probability
    return table


def _members(cases: Sequence[Case], name: str, by_side: bool) -> dict[Key, list[Case]]:
    """What a reading may mean by a name, and by a side where readings give one."""
    members: dict[Key, list[Case]] = {}
    for case in cases:
        if case.names[name] and (case.side or not by_side):
            members.setdefault((case.names[name], case.side if by_side else ""), []).append(case)
    return members


def _of_image(sample: Sample, group: str, score: float, positive: bool) -> Case:
    columns = dict(sample.columns)
    side = next((columns[name].strip()[:1].upper() for name in _SIDE_COLUMNS if columns.get(name)), "")
    names = {"image": sample.name, "exam": columns.get("exam", ""), "patient": sample.patient}
    return Case(names, side, score, positive, group, sample.path)
