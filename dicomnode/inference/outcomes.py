"""Results: what a prediction means, in one line, and the results of studies that were not analysed."""

from __future__ import annotations

from datetime import datetime

from dicomnode.bundles import Bundle, model_identity
from dicomnode.findings import ClassScore, Outcome, Presence, Result, StudyAnswer, Tally
from dicomnode.inference.predictor import Prediction
from dicomnode.study import SourceReference


def result_of(
    prediction: Prediction,
    bundle: Bundle,
    study_instance_uid: str,
    images: tuple[SourceReference, ...],
    input_digest: str,
    created: datetime,
    notes: tuple[str, ...] = (),
) -> Result:
    """The result of a model that ran.

    Args:
        prediction: What it said.
        bundle: The model.
        study_instance_uid: The study.
        images: Every image that it was given.
        input_digest: Of the selected instances.
        created: When the result was first made, with time zone.
        notes: Clauses for the reason, such as what was left out.
    """
    present = prediction.answer.presence is Presence.PRESENT
    return Result(
        study_instance_uid=study_instance_uid,
        model=model_identity(bundle),
        outcome=Outcome.FINDINGS if present else Outcome.NO_FINDINGS,
        reason="; ".join((one_line(prediction, bundle, len(images)), *notes)),
        answer=prediction.answer,
        findings=prediction.findings,
        images=images,
        input_digest=input_digest,
        created=created,
        heat_maps=prediction.heat_maps,
        attention=prediction.attention,
    )


def without_answer(
    bundle: Bundle, study_instance_uid: str, outcome: Outcome, reason: str, input_digest: str, created: datetime
) -> Result:
    """The result of a study that was out of scope or refused, or whose processing failed."""
    return Result(
        study_instance_uid=study_instance_uid,
        model=model_identity(bundle),
        outcome=outcome,
        reason=reason,
        answer=None,
        findings=(),
        images=(),
        input_digest=input_digest,
        created=created,
    )


def one_line(prediction: Prediction, bundle: Bundle, images: int) -> str:
    """What was found, how sure, which images say so: ``glioma, certainty 0.97, carried by 3 of 40 images``.

    Where tiles or cells were counted: ``idc, certainty 0.97, 12 of 340 tiles positive (3.5 %)``; of an exam:
    ``malignant in the left breast, certainty left 0.91, right 0.12, 2 lesions, 4 images read``.
    """
    answer = prediction.answer
    if answer.sides:
        return _of_sides(prediction, bundle, images)
    score = f"{_word(answer)} {answer.score:.2f}"
    carried = f"carried by {len(answer.carried_by)} of {_count(images, 'image')}"
    read = f"{_count(images, 'image')} read"
    if answer.tally is not None:
        carried = read = _counted(answer.tally)
    if answer.presence is not Presence.PRESENT:
        low = f"{_word(answer)} {answer.score:.3g} is below the threshold {answer.threshold:.3g}"
        return f"nothing found: {low}, {read}"
    if answer.classes:
        return f"{_strongest(answer, bundle)}, {score}, {carried}"
    lesions = _count(len(prediction.findings), "lesion")
    return f"{lesions}, highest {score}, {carried}"


def _of_sides(prediction: Prediction, bundle: Bundle, images: int) -> str:
    answer, exam, read = prediction.answer, bundle.node.exam, f"{_count(images, 'image')} read"
    present = [side.laterality.meaning.lower() for side in answer.sides if side.presence is Presence.PRESENT]
    if exam is None or not present:
        scores = ", ".join(f"{side.laterality.meaning.lower()} {side.score:.3g}" for side in answer.sides)
        return f"nothing found: {_word(answer)} {scores}, below the threshold {answer.threshold:.3g}, {read}"
    scores = ", ".join(f"{side.laterality.meaning.lower()} {side.score:.2f}" for side in answer.sides)
    lesions = "" if exam.lesion_threshold is None else f"{_count(len(prediction.findings), 'lesion')}, "
    where = f"{' and '.join(present)} {bundle.node.finding_site.meaning.lower()}"
    return f"{exam.study_class} in the {where}, {_word(answer)} {scores}, {lesions}{read}"


def _counted(tally: Tally) -> str:
    return f"{tally.positive} of {_count(tally.examined, tally.unit)} positive ({tally.percentage:.1f} %)"


def _word(answer: StudyAnswer) -> str:
    return "probability" if answer.calibrated else "certainty"


def _strongest(answer: StudyAnswer, bundle: Bundle) -> str:
    names = {item.code: item.name for item in bundle.node.classes if item.is_finding}
    found: list[ClassScore] = [item for item in answer.classes if item.concept in names]
    return names[found[0].concept]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
