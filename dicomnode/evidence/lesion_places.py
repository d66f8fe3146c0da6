"""Which lesions share a document: all of a volume, but on projections those of one image.

Viewers keep each mammogram and radiograph in a display set of its own, and a report's viewport shows one display set
(OHIF 3.13.2): of a report on several projections it would show the outlines on the first only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dicomnode.evidence.identity import kind_of
from dicomnode.evidence.measurements import outlines
from dicomnode.evidence.projections import Projection, is_projection, projections_of
from dicomnode.evidence.sources import Sources
from dicomnode.findings import Finding, Result


@dataclass(frozen=True, slots=True)
class LesionPlace:
    """What one lesions document is about.

    Attributes:
        projection: Whose part and view the document has; None if it is of all images.
        result: With only those findings, and of them only those outlines, that belong into the document.
        sources: Only the images that it cites.
    """

    projection: Projection | None
    result: Result
    sources: Sources

    @property
    def kind(self) -> str:
        """Of the document."""
        return kind_of("lesions", 1 if self.projection is None else self.projection.part)


def places_of(result: Result, sources: Sources) -> tuple[LesionPlace, ...]:
    """The documents that a result's outlines need, none if nothing is outlined.

    A lesion that is outlined on two views stands in the documents of both, under one tracking UID. Of an exam with
    more projections than there are parts, the last part's document has the outlines on all that have no part.
    """
    outlined = dict.fromkeys(p.image.sop_instance_uid for finding in result.findings for p in outlines(finding))
    if not outlined:
        return ()
    if not all(is_projection(sources.images[uid]) for uid in outlined):
        return (LesionPlace(None, result, sources),)
    projections = {one.image.sop_instance_uid: one for one in projections_of(result, sources)}
    last = max(projections.values(), key=lambda one: one.part)
    shared: dict[Projection, list[str]] = {}
    for uid in outlined:
        shared.setdefault(projections.get(uid, last), []).append(uid)
    return tuple(_place(projection, uids, result, sources) for projection, uids in shared.items())


def _place(projection: Projection, uids: list[str], result: Result, sources: Sources) -> LesionPlace:
    findings = tuple(part for finding in result.findings if (part := _part(finding, uids)).contours)
    named = projection if uids == [projection.image.sop_instance_uid] else replace(projection, view="")
    images = {uid: sources.images[uid] for uid in uids}
    paths = {uid: sources.paths[uid] for uid in uids}
    return LesionPlace(named, replace(result, findings=findings), Sources(sources.patient, images, paths))


def _part(finding: Finding, uids: list[str]) -> Finding:
    """A finding as far as it is outlined on some images."""
    contours = tuple(polygon for polygon in outlines(finding) if polygon.image.sop_instance_uid in uids)
    return replace(finding, contours=contours, mask=None)
