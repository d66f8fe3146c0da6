"""Checks of the lesions document: every group has an outline that lies on its image (TID 1410, 1411)."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.evidence import concepts
from dicomnode.evidence.gate.report import groups_of
from dicomnode.evidence.gate.subject import Subject, children, concept, descendants, named
from dicomnode.evidence.identity import MAXIMUM_PARTS, kind_of
from dicomnode.evidence.projections import is_projection


def regions(subject: Subject) -> Iterator[str]:
    """Each group has a finding, a number, and closed polylines within the bounds of their images.

    A group without coordinates leaves the viewport blank and hides the other groups of the document
    (OHIF); a box without a number loses its probability there.
    """
    if subject.role not in ("lesions", "attention"):
        return
    for number, group in enumerate(groups_of(subject), 1):
        items = children(group)
        findings = [concept(item, "ConceptCodeSequence")[0] for item in named(items, concepts.FINDING)]
        if len(findings) != 1:
            yield f"group {number} has no finding"
        if (concepts.ATTENTION_REGION.value in findings) != (subject.role == "attention"):
            yield f"group {number}: what a network attended to is no lesion, and belongs to a document of its own"
        if not any(item.get("ValueType") == "NUM" for item in items):
            yield f"group {number} has no number"
        outlines = [item for item in named(items, concepts.IMAGE_REGION) if item.get("ValueType") == "SCOORD"]
        if not outlines:
            yield f"group {number} has no image region (SCOORD); viewers would show nothing of the document"
        for outline in outlines:
            yield from _outline(subject, f"group {number}", outline)


def of_one_projection(subject: Subject) -> Iterator[str]:
    """A report on mammograms or radiographs outlines on one of them: its viewport shows no other (OHIF).

    The last part's may have more: of an exam that has more images than there are parts.
    """
    if subject.role != "lesions" or subject.kind == kind_of("lesions", MAXIMUM_PARTS):
        return
    uids = {
        str(reference.get("ReferencedSOPInstanceUID"))
        for group in groups_of(subject)
        for _, _, cited in descendants(group)
        for reference in cited.get("ReferencedSOPSequence") or []
    }
    if sum(uid in uids and is_projection(header) for uid, header in subject.sources.items()) > 1:
        yield "the outlines are on several projections, of which viewers show the first only"


def _outline(subject: Subject, where: str, outline: Dataset) -> Iterator[str]:
    if outline.get("GraphicType") != "POLYLINE":
        yield f"{where}: the image region is a {outline.get('GraphicType')}, not a POLYLINE"
    data = [float(value) for value in outline.get("GraphicData") or []]
    points = list(zip(data[::2], data[1::2], strict=False))
    if len(data) % 2 or len(points) < 4:
        yield f"{where}: the polyline has too few numbers for a closed outline of three points"
    elif points[0] != points[-1]:
        yield f"{where}: the polyline is not closed"
    images = [item for item in children(outline) if item.get("ValueType") == "IMAGE"]
    if len(images) != 1 or images[0].get("RelationshipType") != "SELECTED FROM":
        yield f"{where}: the image region is not selected from one image"
        return
    for reference in list(images[0].get("ReferencedSOPSequence") or [])[:1]:
        source = subject.sources.get(str(reference.get("ReferencedSOPInstanceUID")))
        if source is not None:
            yield from _bounds(where, points, source)
            yield from frames(where, reference, source)


def _bounds(where: str, points: list[tuple[float, float]], source: Dataset) -> Iterator[str]:
    columns, rows = float(source.get("Columns") or 0), float(source.get("Rows") or 0)
    if not all(0 <= column <= columns and 0 <= row <= rows for column, row in points):
        yield f"{where}: the outline leaves the image of {columns:g} x {rows:g} pixels"


def frames(where: str, reference: Dataset, source: Dataset) -> Iterator[str]:
    """A frame of a multi-frame image is named and exists; none is named of a single-frame image."""
    value = reference.get("ReferencedFrameNumber")
    numbers = [] if value is None else [int(n) for n in (value if hasattr(value, "__iter__") else [value])]
    count = int(source.get("NumberOfFrames") or 1)
    if any(not 1 <= number <= count for number in numbers):
        yield f"{where}: the referenced frame does not exist; the image has {count}"
    if count > 1 and not numbers:
        yield f"{where}: the reference to a multi-frame image names no frame"
