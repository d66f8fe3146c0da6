"""Checks of the study answer and of the text document."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.evidence import concepts
from dicomnode.evidence.gate.report import groups_of, title
from dicomnode.evidence.gate.sides import laterality_of
from dicomnode.evidence.gate.subject import Subject, children, concept, descendants, named
from dicomnode.findings import Code

_SUMMARIES = frozenset(code.value for code in concepts.OUTCOME_SUMMARIES.values())
_CAUSES = frozenset(code.value for code in concepts.OUTCOME_CAUSES.values())
_NONE_SUCCEEDED = "111245"
_PRESENCES = frozenset(code.value for code in concepts.PRESENCE_VALUES.values())


def answer(subject: Subject) -> Iterator[str]:
    """The answer is a code, its outcome is coded at the root, and its groups are of TID 1501."""
    if subject.role != "answer":
        return
    root = named(children(subject.dataset), concepts.QUALITATIVE_EVALUATIONS)
    items = [item for container in root for item in children(container)]
    kinds = {str(item.get("ValueType")) for item in items}
    if not kinds <= {"CODE", "TEXT"}:
        yield "qualitative evaluations at the root hold more than CODE and TEXT"
    yield from _outcome(items, concepts.PROCESSING_SUMMARY)
    if "TEXT" not in kinds:
        yield "qualitative evaluations give no reason for the outcome"
    groups = groups_of(subject)
    for number, group in enumerate(groups, 1):
        if _template(group) != "1501":
            yield f"group {number} of the study answer is not of TID 1501"
    yield from _presences(groups)


def _presences(groups: list[Dataset]) -> Iterator[str]:
    """The study has one answer, and each side that has groups has one of its own."""
    presences: dict[str, list[str]] = {"": []}
    for group in groups:
        found = [concept(item, "ConceptCodeSequence")[0] for item in named(children(group), concepts.PRESENCE)]
        presences.setdefault(laterality_of(group), []).extend(found)
    for laterality, found in presences.items():
        if len(found) != 1 or found[0] not in _PRESENCES:
            whose = "answer of a side" if laterality else "study answer"
            yield f"the {whose} does not say once whether its concept is present, absent or undetermined"


def _outcome(items: list[Dataset], name: Code) -> Iterator[str]:
    values = {concept(item, "ConceptCodeSequence")[0] for item in named(items, name)}
    if len(values & _SUMMARIES) != 1:
        yield "the outcome of the run is not coded (CID 6047)"
    causes = {concept(item, "ConceptCodeSequence")[0] for item in named(items, concepts.CONCLUSION)} & _CAUSES
    if (_NONE_SUCCEEDED in values) != bool(causes):
        yield "the outcome of the run and the coded cause why nothing was processed do not fit"


def _template(group: Dataset) -> str:
    return "".join(str(item.get("TemplateIdentifier")) for item in group.get("ContentTemplateSequence") or [])


def lesions_have_templates(subject: Subject) -> Iterator[str]:
    """Groups of lesions and attention are of TID 1410 or 1411, and nothing stands beside them."""
    if subject.role not in ("lesions", "attention"):
        return
    for number, group in enumerate(groups_of(subject), 1):
        if _template(group) not in ("1410", "1411"):
            yield f"group {number} of the {subject.role} document is not of TID 1410 or 1411"
    if named(children(subject.dataset), concepts.QUALITATIVE_EVALUATIONS):
        yield f"the {subject.role} document holds qualitative evaluations, which belong to the study answer"


def text(subject: Subject) -> Iterator[str]:
    """The text has findings and conclusions in words, the coded outcome, and says that nobody verified it."""
    if subject.role != "text" and not subject.is_cleared:
        return
    yield from title(subject.dataset, concepts.DIAGNOSTIC_IMAGING_REPORT, "2000")
    for code in (concepts.FINDINGS, concepts.CONCLUSIONS):
        sections = named(children(subject.dataset), code)
        sentences = [item for section in sections for item in children(section) if item.get("ValueType") == "TEXT"]
        if len(sections) != 1 or not sentences:
            yield f"the text has no section {code.meaning!r} with sentences"
        if code == concepts.CONCLUSIONS:
            yield from _outcome([item for section in sections for item in children(section)], concepts.CONCLUSION)
            if not any("not verified" in str(item.get("TextValue")) for item in sentences):
                yield "the conclusions do not say that the result is not verified"
    if any(item.get("ValueType") in ("NUM", "SCOORD", "SCOORD3D") for _, _, item in descendants(subject.dataset)):
        yield "the text holds numbers or coordinates, which belong to the other documents"
