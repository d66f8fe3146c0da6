"""From a result to its documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.evidence.documents import answer_document, lesions_document, text_document
from dicomnode.evidence.heat_map_document import heat_map_document
from dicomnode.evidence.heat_maps import HeatMaps, heat_maps_of
from dicomnode.evidence.identity import EvidenceObject, NodeIdentity, PreviousEvidence, Role
from dicomnode.evidence.masks import Masks, masks_of
from dicomnode.evidence.measurements import outlines
from dicomnode.evidence.narrative import heat_map_sentence
from dicomnode.evidence.segmentation import segmentation_document
from dicomnode.evidence.sources import Sources, read_sources
from dicomnode.evidence.stamp import Draft
from dicomnode.findings import Result


def build_evidence(
    result: Result,
    source_paths: Sequence[Path],
    previous: Mapping[Role, PreviousEvidence],
    node: NodeIdentity,
) -> tuple[EvidenceObject, ...]:
    """Write the documents of a result: answer and text always, lesions, masks and heat map where there are any.

    Args:
        result: What the model said of the study.
        source_paths: Files of the study's instances; their pixels are not read. All images that the
            result names must be among them; where it names none, at least one must be readable.
        previous: The newest object that the archive holds in each of the evidence series.
        node: Who writes them.

    Raises:
        InputError: The sources cannot be read, or an image that the result names is missing.
    """
    sources = read_sources(result, source_paths)
    masks, heat_maps = masks_of(result, sources), heat_maps_of(result, sources)

    def draft(role: Role) -> Draft:
        return Draft(role, result, sources, previous.get(role), node)

    documents: list[tuple[Draft, Dataset]] = []
    answer, text = draft("answer"), draft("text")
    documents.append((answer, answer_document(answer)))
    documents.append((text, text_document(text, _remarks(masks, heat_maps, sources))))
    if any(outlines(finding) for finding in result.findings):
        lesions = draft("lesions")
        documents.append((lesions, lesions_document(lesions)))
    if isinstance(masks, Masks):
        segmentation = draft("segmentation")
        documents.append((segmentation, segmentation_document(segmentation, masks)))
    if isinstance(heat_maps, HeatMaps):
        heat_map = draft("heat-map")
        documents.append((heat_map, heat_map_document(heat_map, heat_maps)))
    return tuple(_object(*document) for document in documents)


def _remarks(masks: Masks | str | None, heat_maps: HeatMaps | str | None, sources: Sources) -> tuple[str, ...]:
    """Why an object is missing, and what an unusual one is."""
    of_heat_map = heat_map_sentence(heat_maps, sources) if isinstance(heat_maps, HeatMaps) else heat_maps
    return tuple(remark for remark in (masks, of_heat_map) if isinstance(remark, str))


def _object(draft: Draft, dataset: Dataset) -> EvidenceObject:
    return EvidenceObject(draft.role, dataset, draft.sop_instance_uid, draft.series_instance_uid, draft.instance_number)
