"""Checks of laterality: what is said of a side is said once, and of images of that side."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.dicom.codes import LEFT, RIGHT
from dicomnode.evidence import concepts
from dicomnode.evidence.gate.report import groups_of
from dicomnode.evidence.gate.segmentation import source_images
from dicomnode.evidence.gate.subject import Subject, children, concept, descendants, named
from dicomnode.evidence.projections import is_projection
from dicomnode.evidence.views import side_of

_SIDES = {LEFT.value: "L", RIGHT.value: "R"}


def laterality_of(group: Dataset) -> str:
    """Code value of the side that a measurement group's finding site has; empty if it has none."""
    for site in named(children(group), concepts.FINDING_SITE):
        for item in named(children(site), concepts.LATERALITY):
            return concept(item, "ConceptCodeSequence")[0]
    return ""


def sides(subject: Subject) -> Iterator[str]:
    """A group, a segment or a picture of the left breast names no image of the right one."""
    for number, group in enumerate(groups_of(subject) if subject.is_report else [], 1):
        cited = [r for _, _, item in descendants(group) for r in item.get("ReferencedSOPSequence") or []]
        if _other_side(subject, laterality_of(group), cited):
            yield f"group {number} is of one side, but names an image of the other"
    for number, frame in enumerate(subject.dataset.get("PerFrameFunctionalGroupsSequence") or [], 1):
        if _other_side(subject, _side_of_segment(subject.dataset, frame), source_images(frame)):
            yield f"frame {number} is of a segment of one side, but its source image is of the other"


def _other_side(subject: Subject, laterality: str, cited: list[Dataset]) -> bool:
    side = _SIDES.get(laterality)
    if side is None:
        return False
    headers = (subject.sources.get(str(reference.get("ReferencedSOPInstanceUID"))) for reference in cited)
    return any(side_of(header) not in ("", side) for header in headers if header is not None)


def _side_of_segment(dataset: Dataset, frame: Dataset) -> str:
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    numbers = [
        i.get("ReferencedSegmentNumber") for g in (frame, *shared) for i in g.get("SegmentIdentificationSequence") or []
    ]
    for segment in dataset.get("SegmentSequence") or []:
        if segment.get("SegmentNumber") in numbers[:1]:
            for region in segment.get("AnatomicRegionSequence") or []:
                return concept(region, "AnatomicRegionModifierSequence")[0]
    return ""


def of_projection(subject: Subject) -> Iterator[str]:
    """What is drawn on a projection is about one image, and repeats its orientation and side."""
    if subject.role not in ("segmentation", "heat-map", "picture"):
        return
    frames = [subject.dataset, *(subject.dataset.get("PerFrameFunctionalGroupsSequence") or [])]
    cited = {str(i.get("ReferencedSOPInstanceUID")) for f in frames for i in [*source_images(f), *_own_sources(f)]}
    headers = [header for uid, header in subject.sources.items() if uid in cited and is_projection(header)]
    if len(headers) > 1:
        yield "the object is about several projections, but can state one orientation and side only"
    for header in headers[:1]:
        theirs, own = (str(d.get("PatientOrientation") or "") for d in (header, subject.dataset))
        if theirs != own:
            yield "PatientOrientation is not that of the projection"
        if subject.role == "picture" and side_of(header) != str(subject.dataset.get("Laterality") or ""):
            yield "Laterality is not that of the projection"


def _own_sources(dataset: Dataset) -> list[Dataset]:
    return list(dataset.get("SourceImageSequence") or [])
