"""From a result to its documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.evidence.documents import answer_document, lesions_document, text_document
from dicomnode.evidence.heat_map_document import heat_map_document
from dicomnode.evidence.heat_maps import HeatMaps, heat_maps_of
from dicomnode.evidence.identity import EvidenceObject, NodeIdentity, PreviousEvidence, Role, kind_of
from dicomnode.evidence.masks import Masks, ProjectedMasks, masks_of
from dicomnode.evidence.measurements import outlines
from dicomnode.evidence.narrative import heat_map_sentence
from dicomnode.evidence.projections import Projection
from dicomnode.evidence.segmentation import projection_segmentation_document, segmentation_document
from dicomnode.evidence.sources import Sources, read_sources
from dicomnode.evidence.stamp import Draft
from dicomnode.findings import Result

_Document = tuple[Draft, Dataset]


def build_evidence(
    result: Result,
    source_paths: Sequence[Path],
    previous: Mapping[str, PreviousEvidence],
    node: NodeIdentity,
) -> tuple[EvidenceObject, ...]:
    """Write the documents of a result: answer and text always, the others where there is something to show.

    Args:
        result: What the model said of the study.
        source_paths: Files of the study's instances; their pixels are not read. All images that the
            result names must be among them; where it names none, at least one must be readable.
        previous: The newest object that the archive holds in each of the evidence series, by kind.
        node: Who writes them.

    Raises:
        InputError: The sources cannot be read, or an image that the result names is missing.
    """
    sources = read_sources(result, source_paths)
    desk = _Desk(result, sources, previous, node)
    masks, heat_maps = masks_of(result, sources), heat_maps_of(result, sources)
    documents = [
        *_reports(desk, _remarks(masks, heat_maps, sources)),
        *_segmentations(desk, masks),
        *_heat_maps(desk, heat_maps),
    ]
    return tuple(_object(*document) for document in documents)


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
    if any(outlines(finding) for finding in desk.result.findings):
        lesions = desk.draft("lesions")
        yield lesions, lesions_document(lesions)


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
