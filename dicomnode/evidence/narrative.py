"""The result in full sentences, for the text document: what, where, how sure, by which model."""

from __future__ import annotations

from dicomnode.evidence.heat_maps import HeatMaps
from dicomnode.evidence.measurements import outlines, percent, side_name
from dicomnode.evidence.sources import Sources
from dicomnode.evidence.views import view_name
from dicomnode.findings import ClassScore, Finding, Outcome, Presence, Result, SideAnswer, StudyAnswer, Tally
from dicomnode.study import SourceReference

NOT_VERIFIED = "Result of an artificial intelligence; not verified by a human."
_MAXIMUM_IMAGES = 6

_OUTCOMES = {
    Outcome.FINDINGS: "The study was processed, with findings.",
    Outcome.NO_FINDINGS: "The study was processed, without findings.",
    Outcome.OUT_OF_SCOPE: (
        "The study was not processed, because it is out of the model's scope. This is not a negative result."
    ),
    Outcome.REFUSED: (
        "The study was not processed, because its images cannot be trusted. This is not a negative result."
    ),
    Outcome.FAILED: "Processing of the study failed. This is not a negative result.",
}
_PRESENCES = {
    Presence.PRESENT: "is present",
    Presence.ABSENT: "was not found",
    Presence.UNDETERMINED: "could not be determined",
}


def findings_sentences(result: Result, sources: Sources) -> list[str]:
    """What was found: the answer, the classes, and each lesion; or why there is no answer."""
    if result.answer is None:
        return [_OUTCOMES[result.outcome], f"Reason: {_clause(result.reason) or 'none was given.'}"]
    answer = result.answer
    sentences = [_answer_sentence(answer)]
    if answer.tally is not None:
        sentences.append(_tally_sentence(answer.tally, answer.concept.meaning))
    if answer.classes:
        sentences.append(f"Scores of the classes: {_scores(answer.classes)}.")
    sentences += [_side_sentence(side, answer, sources) for side in answer.sides]
    sentences += [_lesion_sentence(finding, result, sources) for finding in result.findings]
    if answer.carried_by:
        sentences.append(f"The answer was carried by {_images(answer.carried_by, sources)}.")
    return sentences


def heat_map_sentence(drawn: tuple[HeatMaps, ...], sources: Sources) -> str:
    """What a reader of the text must know of the heat map objects."""
    images = _images(tuple(heat_map.image for one in drawn for heat_map in one.maps), sources)
    sentence = (
        f"A heat map of {images} is a segmentation object of its own: the higher its value, the higher the score; "
        "0 also where nothing was examined. Not every viewer can draw it."
    )
    if drawn[0].left_out:
        why = "there are too many images" if drawn[0].projection is not None else "one object has one grid"
        sentence += f" Heat maps left out, because {why}: {drawn[0].left_out}."
    return sentence


def conclusion_sentences(result: Result, sources: Sources, remarks: tuple[str, ...]) -> list[str]:
    """What to make of it: not verified, which model, how it answers, what it is not for.

    Args:
        result: The result.
        sources: The images that it is about.
        remarks: What a reader must know of the other documents, such as why there are no masks.
    """
    model = result.model
    sentences = [
        NOT_VERIFIED,
        _OUTCOMES[result.outcome],
        f"Model: {model.name}, version {model.version}, by {model.manufacturer} (SHA-256 {model.digest[:16]}).",
    ]
    if result.answer is not None:
        sentences += [_sentence(result.reason), _sentence(result.answer.method)]
    if model.parameters:
        sentences.append(f"Operating point: {_clause(model.parameters)}")
    if result.images:
        sentences.append(f"Images given to the model: {len(result.images)}{_views(result.images, sources)}.")
    sentences += remarks
    sentences.append("Not for use without review by a physician.")
    if model.not_for:
        prefix = "" if model.not_for.lower().startswith("not for") else "Not for: "
        sentences.append(prefix + _clause(model.not_for))
    return [sentence for sentence in sentences if sentence]


def _answer_sentence(answer: StudyAnswer) -> str:
    where = f" ({answer.site.meaning})" if answer.site else ""
    kind = "a calibrated probability" if answer.calibrated else "a certainty, not a calibrated probability"
    return (
        f"{answer.concept.meaning}{where} {_PRESENCES[answer.presence]}: score {_percent(answer.score)}, {kind}; "
        f"threshold {_percent(answer.threshold)}."
    )


def _side_sentence(side: SideAnswer, answer: StudyAnswer, sources: Sources) -> str:
    sentence = (
        f"{side_name(answer.site, side.laterality)}: {answer.concept.meaning} {_PRESENCES[side.presence]}, "
        f"score {_percent(side.score)}."
    )
    if side.classes:
        sentence += f" Scores of the classes: {_scores(side.classes)}."
    if side.carried_by:
        sentence += f" Carried by {_images(side.carried_by, sources)}."
    return sentence


def _scores(classes: tuple[ClassScore, ...]) -> str:
    return ", ".join(f"{c.concept.meaning} {_percent(c.score)}" for c in classes)


def _tally_sentence(tally: Tally, meaning: str) -> str:
    things = "tissue tiles" if tally.unit == "tile" else f"{tally.unit}s"
    if not tally.examined:
        return f"No {things} were found to examine."
    share = f"{tally.positive} of {tally.examined} {things} ({tally.percentage:.1f} %)"
    if tally.unit == "tile":
        return f"{share} reached the operating point for: {meaning}."
    return f"{share} were called: {meaning}."


def _lesion_sentence(finding: Finding, result: Result, sources: Sources) -> str:
    site = finding.site or (result.answer.site if result.answer else None)
    place = side_name(site, finding.laterality)
    what = finding.concept.meaning + (f", {place}" if place else "")
    sizes = "".join(f", {m.concept.meaning.lower()} {_number(m.value)} {m.unit.value}" for m in finding.measurements)
    places = tuple(polygon.image for polygon in outlines(finding))
    where = f", on {_images(places, sources)}" if places else ""
    return f"{finding.label}: {what}, certainty {_percent(finding.score)}{sizes}{where}."


def _views(references: tuple[SourceReference, ...], sources: Sources) -> str:
    """The views of an exam in brackets; nothing of images that are no mammograms."""
    names = [view_name(sources.of(reference)) for reference in dict.fromkeys(references)]
    return f" ({', '.join(names)})" if all(names) else ""


def _images(references: tuple[SourceReference, ...], sources: Sources) -> str:
    references = tuple(dict.fromkeys(references))  # tiles of one frame name it several times
    named = [_image(reference, sources) for reference in references[:_MAXIMUM_IMAGES]]
    more = len(references) - len(named)
    return _listed(named) + (f"; and {more} more" if more else "")


def _listed(names: list[str]) -> str:
    """Names in a row; what all have in common, their series or their multi-frame image, is said once."""
    kind, _, _ = names[0].partition(" ")
    _, _, whole = names[0].partition(" of ")
    prefix, suffix = f"{kind} ", f" of {whole}"
    numbers = [name.removeprefix(prefix).removesuffix(suffix) for name in names]
    if len(names) < 2 or not whole or names != [f"{prefix}{number}{suffix}" for number in numbers]:
        return "; ".join(names)
    return f"{kind}s {', '.join(numbers[:-1])} and {numbers[-1]}{suffix}"


def _image(reference: SourceReference, sources: Sources) -> str:
    header = sources.of(reference)
    instance, series = header.get("InstanceNumber"), header.get("SeriesNumber")
    name = f"image {instance}" if instance not in (None, "") else f"image {reference.sop_instance_uid}"
    name += f" of series {series}" if series not in (None, "") else ""
    view = view_name(header)
    name = f"{view} ({name})" if view else name
    return name if reference.frame_number is None else f"frame {reference.frame_number} of {name}"


def _number(value: float) -> str:
    """Three digits, or all before the point; never an exponent, which no reader of a report expects."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _percent(score: float) -> str:
    return f"{percent(score):.3g} %"


def _clause(words: str) -> str:
    words = words.strip()
    return words if not words or words[-1] in ".!?" else words + "."


def _sentence(words: str) -> str:
    words = _clause(words)
    return words[:1].upper() + words[1:]
