"""From a result to its documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.errors import PixelError
from dicomnode.evidence.documents import (
    answer_document,
    attention_document,
    cleared_document,
    lesions_document,
    text_document,
)
from dicomnode.evidence.heat_map_document import heat_map_document
from dicomnode.evidence.heat_maps import HeatMaps, heat_maps_of
from dicomnode.evidence.identity import (
    MAXIMUM_PARTS,
    PROCESSED,
    EvidenceObject,
    NodeIdentity,
    PreviousEvidence,
    Role,
    kind_of,
)
from dicomnode.evidence.lesion_places import places_of
from dicomnode.evidence.masks import Masks, ProjectedMasks, masks_of
from dicomnode.evidence.narrative import heat_map_sentence
from dicomnode.evidence.overlay import Overlay, overlays_of
from dicomnode.evidence.picture_document import picture_document
from dicomnode.evidence.presentation import alike, presentation_document
from dicomnode.evidence.projections import Projection, projections_of
from dicomnode.evidence.segmentation import projection_segmentation_document, segmentation_document
from dicomnode.evidence.sources import Sources, read_sources
from dicomnode.evidence.stamp import Draft
from dicomnode.findings import Outcome, Result

_Document = tuple[Draft, Dataset]


def build_evidence(
    result: Result,
    source_paths: Sequence[Path],
    previous: Mapping[str, PreviousEvidence],
    node: NodeIdentity,
    headers: Sequence[Dataset] | None = None,
) -> tuple[EvidenceObject, ...]:
    """Write the documents of a result: answer and text always, the others where there is something to show.

    Args:
        result: What the model said of the study.
        source_paths: Files of the study's instances; pixels are read for pictures only. All images that the
            result names must be among them; where it names none, at least one must be readable.
        previous: The newest object that the archive holds in each of the evidence series, by kind.
        node: Who writes them.
        headers: Of the same files, as `sources.read_headers` gave them; None to read them here.

    Raises:
        InputError: The sources cannot be read, or an image that the result names is missing.
    """
    sources = read_sources(result, source_paths, headers)
    desk = _Desk(result, sources, previous, node)
    masks, heat_maps = masks_of(result, sources), heat_maps_of(result, sources)
    overlays = _overlays(desk)
    pictures, without_picture = _pictures(desk, overlays)
    documents = [
        *_reports(desk, (*_remarks(masks, heat_maps, sources), *without_picture)),
        *_segmentations(desk, masks),
        *_heat_maps(desk, heat_maps),
        *_presentations(desk, overlays),
        *pictures,
    ]
    return tuple(_object(*document) for document in documents)


def build_annotations(
    result: Result, source_paths: Sequence[Path], node: NodeIdentity
) -> tuple[tuple[EvidenceObject, ...], tuple[str, ...]]:
    """Write what a person or a tool drew: outlines as a report, masks as segmentations, and no answer.

    Args:
        result: Its findings are the annotations, its model is who drew them.
        source_paths: Files of the study's instances.
        node: Who writes them.

    Returns:
        The objects, and sentences on what could not be written.

    Raises:
        InputError: The sources cannot be read, or an image that the result names is missing.
    """
    sources = read_sources(result, source_paths)
    desk = _Desk(result, sources, {}, node)
    masks = masks_of(result, sources)
    documents = [*_lesions(desk), *_segmentations(desk, masks)]
    return tuple(_object(*document) for document in documents), _remarks(masks, None, sources)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the drafts of all documents of a result have in common."""

    result: Result
    sources: Sources
    previous: Mapping[str, PreviousEvidence]
    node: NodeIdentity

    def draft(self, role: Role, projection: Projection | None = None) -> Draft:
        """A document about everything, or about one projection."""
        part = 1 if projection is None else projection.part
        view = "" if projection is None else projection.view
        before = self.previous.get(kind_of(role, part))
        return Draft(role, self.result, self.sources, before, self.node, part, view)


def _reports(desk: _Desk, remarks: tuple[str, ...]) -> Iterator[_Document]:
    answer, text = desk.draft("answer"), desk.draft("text")
    yield answer, answer_document(answer)
    yield text, text_document(text, remarks)
    yield from _lesions(desk)
    if desk.result.attention:
        attention = desk.draft("attention")
        yield attention, attention_document(attention)


def _lesions(desk: _Desk) -> Iterator[_Document]:
    places = places_of(desk.result, desk.sources)
    for place in places:
        draft = replace(desk.draft("lesions", place.projection), result=place.result, sources=place.sources)
        yield draft, lesions_document(draft)
    if desk.result.outcome in PROCESSED:
        yield from _cleared(desk, {place.kind for place in places})


def _cleared(desk: _Desk, outlined: set[str]) -> Iterator[_Document]:
    """What supersedes the lesions of an earlier result where this one outlines none."""
    projections = {one.part: one for one in projections_of(desk.result, desk.sources)}
    for part in range(1, MAXIMUM_PARTS + 1):
        kind = kind_of("lesions", part)
        if kind in desk.previous and kind not in outlined:
            view = projections[part].view if part in projections else ""
            draft = Draft("lesions", desk.result, desk.sources, desk.previous[kind], desk.node, part, view)
            if draft.superseded is not None:
                yield draft, cleared_document(draft)


def _segmentations(desk: _Desk, masks: Masks | tuple[ProjectedMasks, ...] | str | None) -> Iterator[_Document]:
    if isinstance(masks, Masks):
        draft = desk.draft("segmentation")
        yield draft, segmentation_document(draft, masks)
    elif isinstance(masks, tuple):
        for one in masks:
            draft = desk.draft("segmentation", one.projection)
            yield draft, projection_segmentation_document(draft, one)


def _heat_maps(desk: _Desk, heat_maps: tuple[HeatMaps, ...] | str | None) -> Iterator[_Document]:
    for drawn in heat_maps if isinstance(heat_maps, tuple) else ():
        draft = desk.draft("heat-map", drawn.projection)
        yield draft, heat_map_document(draft, drawn)


def _overlays(desk: _Desk) -> tuple[Overlay, ...]:
    """What is drawn over projections; nothing where nothing was found: nobody wants boxes on a negative exam."""
    overlays = overlays_of(desk.result, projections_of(desk.result, desk.sources))
    positive = desk.result.outcome is Outcome.FINDINGS or any(overlay.findings for overlay in overlays)
    return overlays if positive else ()


def _presentations(desk: _Desk, overlays: tuple[Overlay, ...]) -> Iterator[_Document]:
    for group in alike(overlays, desk.sources.of):
        draft = desk.draft("presentation", replace(group[0].projection, view=""))
        yield draft, presentation_document(draft, group)


def _pictures(desk: _Desk, overlays: tuple[Overlay, ...]) -> tuple[list[_Document], list[str]]:
    """Pictures of the images with outlines; and of each that cannot be read again, a sentence.

    A model that finds something but outlines nothing has pictures of what it looked at.
    """
    drawn: list[_Document] = []
    remarks = []
    outlined = tuple(overlay for overlay in overlays if overlay.findings)
    for overlay in outlined or overlays:
        draft = desk.draft("picture", overlay.projection)
        try:
            drawn.append((draft, picture_document(draft, overlay)))
        except PixelError:
            remarks.append(f"No picture of image {overlay.projection.image.sop_instance_uid}: it cannot be decoded.")
    return drawn, remarks


def _remarks(
    masks: Masks | tuple[ProjectedMasks, ...] | str | None,
    heat_maps: tuple[HeatMaps, ...] | str | None,
    sources: Sources,
) -> tuple[str, ...]:
    """Why an object is missing, and what an unusual one is."""
    of_heat_maps = heat_map_sentence(heat_maps, sources) if isinstance(heat_maps, tuple) else heat_maps
    return tuple(remark for remark in (masks, of_heat_maps) if isinstance(remark, str))


def _object(draft: Draft, dataset: Dataset) -> EvidenceObject:
    uids = (draft.sop_instance_uid, draft.series_instance_uid)
    return EvidenceObject(draft.role, draft.kind, dataset, *uids, draft.instance_number)
