"""Checks of what takes a result back: rejection notes and withdrawn reports."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.evidence import concepts
from dicomnode.evidence.gate.report import title
from dicomnode.evidence.gate.subject import Subject, children, concept, descendants, named

_TITLES = (concepts.REJECTED_FOR_QUALITY, concepts.REJECTED_FOR_SAFETY)


def rejection(subject: Subject) -> Iterator[str]:
    """A rejection note has a title that rejects, and names what it rejects once in its tree and once as evidence."""
    if subject.role != "rejection":
        return
    dataset = subject.dataset
    chosen = next((code for code in _TITLES if concept(dataset)[:2] == (code.value, code.scheme)), None)
    if chosen is None:
        yield "the title of the rejection note rejects nothing (IHE RAD-66)"
        return
    yield from title(dataset, chosen, "2010")
    modifiers = named(children(dataset), concepts.TITLE_MODIFIER)
    if bool(modifiers) != (chosen is concepts.REJECTED_FOR_QUALITY):
        yield "a Document Title Modifier goes with 'Rejected for Quality Reasons' and with no other title (TID 2010)"
    cited = _cited(dataset)
    if not cited or sorted(cited) != sorted(_listed(dataset)):
        yield "the rejection note's tree and its evidence sequence do not name the same objects"
    if any(item.get("ValueType") not in _KO_TYPES for _, _, item in descendants(dataset)):
        yield "the rejection note holds an item of a type that PS3.3 A.35.4 does not allow"


_KO_TYPES = ("TEXT", "CODE", "UIDREF", "PNAME", "IMAGE", "WAVEFORM", "COMPOSITE", "CONTAINER")


def withdrawal(subject: Subject) -> Iterator[str]:
    """A withdrawn report says so in words and as a code, names what it takes back, and gives no result."""
    if not subject.is_withdrawal:
        return
    dataset = subject.dataset
    yield from title(dataset, concepts.DIAGNOSTIC_IMAGING_REPORT, "2000")
    if not dataset.get("PredecessorDocumentsSequence"):
        yield "a withdrawn report names no predecessor, so it takes nothing back"
    sections = named(children(dataset), concepts.CONCLUSIONS)
    words = [str(item.get("TextValue")) for section in sections for item in children(section)]
    if not any("withdrawn" in sentence for sentence in words):
        yield "the conclusions do not say that the result was withdrawn"
    if not _cited(dataset):
        yield "a withdrawn report does not name what was withdrawn"
    if any(item.get("ValueType") in ("NUM", "SCOORD", "SCOORD3D") for _, _, item in descendants(dataset)):
        yield "a withdrawn report holds numbers or coordinates, as if it gave a result"


def _cited(dataset: Dataset) -> list[str]:
    items = [item for _, _, item in descendants(dataset)]
    return [str(one.ReferencedSOPInstanceUID) for item in items for one in item.get("ReferencedSOPSequence") or []]


def _listed(dataset: Dataset) -> list[str]:
    studies = dataset.get("CurrentRequestedProcedureEvidenceSequence") or []
    series = [item for study in studies for item in study.get("ReferencedSeriesSequence") or []]
    return [str(one.ReferencedSOPInstanceUID) for item in series for one in item.get("ReferencedSOPSequence") or []]
