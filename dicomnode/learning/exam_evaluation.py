"""Measure a bundle for mammography exams per breast and per exam, as the node prepares the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from dicomnode.bundles import Bundle, ExamInput
from dicomnode.learning.data.exam_store import ExamStore, open_exams
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.engine.exams import Rows, predict_rows
from dicomnode.learning.metrics.calibration import cooled
from dicomnode.learning.metrics.exam_metrics import BreastScores, exam_figures
from dicomnode.learning.recipes.exam import ExamSection
from dicomnode.learning.recipes.recipe import DataSection

_OF_SUBGROUPS = (
    *("exams", "breasts", "breast_auc", "breast_pr_auc", "sensitivity", "specificity"),
    *("intervals", "resampled"),
)


def exam_store(
    bundle: Bundle, shown: ExamInput, section: DataSection, samples: Sequence[Sample], data: Path
) -> ExamStore:
    """The mammograms of ``samples`` as the bundle wants them; networks draw their heat maps themselves."""
    sizes = ExamSection.model_validate(
        {"unit": shown.unit, "cc_size": shown.cc_size, "mlo_size": shown.mlo_size, "study_class": shown.study_class}
    )
    names = tuple(item.name for item in bundle.node.classes)
    return open_exams(section.model_copy(update={"classes": names}), sizes, samples, data)


def breast_answers(bundle: Bundle, shown: ExamInput, network: nn.Module, store: ExamStore) -> tuple[BreastScores, Rows]:
    """Calibrated scores of every breast, and where they come from."""
    rows, node = predict_rows(network, store), bundle.node
    temperature = 1.0 if node.calibration is None else node.calibration.temperature
    place = [item.name for item in node.classes].index(shown.study_class)
    answers = BreastScores(
        scores=cooled(rows.scores, temperature),
        truths=rows.truths,
        exams=rows.exams,
        sides=rows.sides,
        groups=rows.groups,
        findings=(place,),
        threshold=node.operating_point.threshold,
    )
    return answers, rows


def exam_subgroup(answers: BreastScores, names: Sequence[str], seed: int) -> dict[str, Any]:
    """The main figures of a part of the breasts."""
    figures = asdict(exam_figures(answers, names, seed))
    return {name: figures[name] for name in _OF_SUBGROUPS}
