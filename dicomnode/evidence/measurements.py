"""Measurement groups: the study answer (TID 1501) and the lesions (TID 1410, TID 1411)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import concepts
from dicomnode.evidence.content import algorithm, code, coded, named_frame, region, text
from dicomnode.evidence.tally import tally_measurements
from dicomnode.findings import ClassScore, Code, Finding, Maker, Outcome, Polygon, Presence, Result, StudyAnswer
from dicomnode.study import SourceReference

_WHY_NO_NUMBER = {
    Outcome.OUT_OF_SCOPE: concepts.MEASUREMENT_NOT_ATTEMPTED,
    Outcome.REFUSED: concepts.MEASUREMENT_NOT_ATTEMPTED,
    Outcome.FAILED: concepts.MEASUREMENT_FAILURE,
}


def answer_groups(result: Result) -> list[Dataset]:
    """The study answer: one group for the concept asked for, one for each class score; then the same of each side."""
    if result.answer is None:
        return [_unanswered(result)]
    answer = result.answer
    groups = _groups(result, answer, None)
    for side in answer.sides:
        of_side = replace(
            answer,
            presence=side.presence,
            score=side.score,
            classes=side.classes,
            carried_by=side.carried_by,
            tally=None,
            site=answer.site or concepts.ANATOMICAL_STRUCTURE,
        )
        groups += _groups(result, of_side, side.laterality)
    return groups


def side_name(site: Code | None, laterality: Code | None) -> str:
    """A site in words, such as ``Left breast``; empty if neither is known."""
    if laterality is None:
        return site.meaning if site else ""
    return f"{laterality.meaning} {site.meaning.lower() if site else 'side'}"


def lesion_groups(result: Result) -> list[Dataset]:
    """One group for each finding, every one with an outline."""
    # What many of them have in common is made once, and every group holds it
    made_by, codes = algorithm(result.model, result.answer.threshold if result.answer else None), cache(coded)
    return [_lesion_group(finding, result, made_by, codes) for finding in result.findings if outlines(finding)]


def outlines(finding: Finding) -> tuple[Polygon, ...]:
    """A finding's outlines; those of a finding that has only a mask are its boxes, plane by plane."""
    if finding.contours or finding.mask is None:
        return finding.contours
    planes = zip(finding.mask.images, finding.mask.pixels, strict=True)
    return tuple(_box(reference, plane) for reference, plane in planes if plane.any())


def _box(reference: SourceReference, plane: np.ndarray[Any, np.dtype[np.bool_]]) -> Polygon:
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return Polygon(reference, np.array(corners, np.float64), is_box=True)


def score_concept(concept: Code, calibrated: bool) -> Code:
    """What a score is called: a probability of cancer only if it is calibrated, and of cancer."""
    if calibrated and concepts.is_cancer(concept):
        return concepts.PROBABILITY_OF_CANCER
    return concepts.CERTAINTY_OF_FINDING


def percent(score: float) -> float:
    """A score of 0..1 in percent, rounded so that it fits a decimal string."""
    return round(100.0 * score, 4)


def _unanswered(result: Result) -> Dataset:
    # A NUM without a value would be the other way to say it, but common readers fail on one.
    why = hd.sr.QualitativeEvaluation(coded(concepts.CERTAINTY_OF_FINDING), coded(_WHY_NO_NUMBER[result.outcome]))
    group: Dataset = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(result, "Study answer", "answer"),
        algorithm_id=algorithm(result.model),
        qualitative_evaluations=[_presence(Presence.UNDETERMINED), why],
    )[0]
    return group


def _groups(result: Result, answer: StudyAnswer, laterality: Code | None) -> list[Dataset]:
    numbers = range(len(answer.classes))
    return [
        _asked_group(result, answer, laterality),
        *(_class_group(result, answer, number, laterality) for number in numbers),
    ]


def _asked_group(result: Result, answer: StudyAnswer, laterality: Code | None) -> Dataset:
    identifier = "Study answer" if laterality is None else side_name(answer.site, laterality)
    tracking = _tracking(result, identifier, "answer", *_side_key(laterality))
    score = ClassScore(answer.concept, answer.score)
    return _answer_group(result, answer, score, tracking, laterality, asked=True)


def _class_group(result: Result, answer: StudyAnswer, number: int, laterality: Code | None) -> Dataset:
    score = answer.classes[number]
    concept = score.concept
    # Two classes may share a code; their order by score must not decide which is which otherwise.
    before = sum(other.concept == concept for other in answer.classes[:number])
    key = ("class", concept.scheme, concept.value, str(before), *_side_key(laterality))
    identifier = f"Class: {concept.meaning}"
    if laterality is not None:
        identifier = f"{side_name(answer.site, laterality)}, {identifier[0].lower()}{identifier[1:]}"
    return _answer_group(result, answer, score, _tracking(result, identifier, *key), laterality, asked=False)


def _side_key(laterality: Code | None) -> tuple[str, ...]:
    return () if laterality is None else (laterality.value,)


def _tracking(result: Result, identifier: str, *key: str) -> Any:
    """A tracking UID that stays over versions of the model and runs on the study."""
    uid = derive_uid(result.study_instance_uid, result.model.name, *key)
    return hd.sr.TrackingIdentifier(uid, identifier)


def _answer_group(
    result: Result, answer: StudyAnswer, score: ClassScore, tracking: Any, laterality: Code | None, *, asked: bool
) -> Dataset:
    """A group of TID 1501; presence and counts belong to the concept that was asked for."""
    certainty = _score(score_concept(score.concept, answer.calibrated), score.score)
    counts = tally_measurements(answer.tally) if asked and answer.tally is not None else []
    group: Dataset = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        finding_type=coded(score.concept),
        finding_sites=finding_sites(answer.site, laterality),
        algorithm_id=algorithm(result.model, answer.threshold),
        measurements=[certainty, *counts],
        qualitative_evaluations=[_presence(answer.presence)] if asked else [],
        source_images=_source_images(answer.carried_by) or None,
    )[0]
    group.ContentSequence.extend(_unnamed_frames(answer.carried_by))
    return group


def _presence(presence: Presence) -> Any:
    return hd.sr.QualitativeEvaluation(coded(concepts.PRESENCE), coded(concepts.PRESENCE_VALUES[presence]))


def _score(concept: Code, score: float) -> Any:
    return hd.sr.Measurement(coded(concept), percent(score), coded(concepts.PERCENT))


def finding_sites(site: Code | None, laterality: Code | None) -> list[Any] | None:
    """The site of a measurement group with its side (TID 1500 row 10); None if no site is known."""
    if site is None:
        return None
    return [hd.sr.FindingSite(coded(site), None if laterality is None else coded(laterality))]


def _source_images(references: tuple[SourceReference, ...]) -> list[Any]:
    places = dict.fromkeys((ref.sop_class_uid, ref.sop_instance_uid, named_frame(ref)) for ref in references)
    return [
        hd.sr.SourceImageForMeasurementGroup(sop_class, instance, None if frame is None else [frame])
        for sop_class, instance, frame in places
    ]


def _unnamed_frames(references: tuple[SourceReference, ...]) -> list[Dataset]:
    """In words, the frames that the references to source images may not carry, one sentence for each image."""
    frames: dict[str, list[str]] = {}
    for reference in references:
        if reference.frame_number is not None and named_frame(reference) is None:
            frames.setdefault(reference.sop_instance_uid, []).append(str(reference.frame_number))
    return [
        text(concepts.COMMENT, f"Frames of image {instance} that carried the answer: {', '.join(numbers)}.")
        for instance, numbers in frames.items()
    ]


def _lesion_group(finding: Finding, result: Result, made_by: Any, codes: Callable[[Code], Any]) -> Dataset:
    polygons = outlines(finding)
    regions = [region(polygon.points, polygon.image) for polygon in polygons]
    sizes = [hd.sr.Measurement(codes(m.concept), float(m.value), codes(m.unit)) for m in finding.measurements]
    # A lesion's own score was not calibrated, whatever the study's was.
    is_scored = result.model.maker is Maker.MODEL
    name = score_concept(finding.concept, calibrated=False)
    certainty = [hd.sr.Measurement(codes(name), percent(finding.score), codes(concepts.PERCENT))] if is_scored else []
    site = finding.site or (result.answer.site if result.answer else None)
    planar = len(regions) == 1
    template = (
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations
        if planar
        else hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations
    )
    group: Dataset = template(
        tracking_identifier=hd.sr.TrackingIdentifier(finding.tracking_uid, finding.label),
        finding_type=codes(finding.concept),
        finding_sites=finding_sites(site, finding.laterality),
        algorithm_id=made_by,
        measurements=[*certainty, *sizes],
        geometric_purpose=codes(concepts.BOUNDED_BY) if all(p.is_box for p in polygons) else None,
        **({"referenced_region": regions[0]} if planar else {"referenced_regions": regions}),
    )[0]
    return group


def evaluations(result: Result) -> list[Dataset]:
    """The coded outcome and its reason, for the root of the document (TID 1500 row 12: CODE, TEXT)."""
    items = [
        code(concepts.PROCESSING_SUMMARY, concepts.OUTCOME_SUMMARIES[result.outcome]),
        code(concepts.SUMMARY_OF_ANALYSES, concepts.OUTCOME_STATUS[result.outcome]),
    ]
    if result.outcome in concepts.OUTCOME_CAUSES:
        items.append(code(concepts.CONCLUSION, concepts.OUTCOME_CAUSES[result.outcome]))
    words = [result.reason or concepts.OUTCOME_STATUS[result.outcome].meaning]
    words += [result.answer.method] if result.answer and result.answer.method else []
    return [*items, *(text(concepts.COMMENT, word) for word in words)]
