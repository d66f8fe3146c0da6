"""Measurement groups of what a network looked at closely (TID 1410): a box, and its share of the attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import highdicom as hd
from pydicom.dataset import Dataset

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import concepts
from dicomnode.evidence.content import algorithm, coded, region
from dicomnode.evidence.measurements import finding_sites, percent
from dicomnode.evidence.sources import Sources
from dicomnode.evidence.views import side_code, view_name
from dicomnode.findings import Attention, Result


def attention_groups(result: Result, sources: Sources) -> list[Dataset]:
    """One group for each box, every one with an outline and a number, or viewers go blank."""
    made_by = algorithm(result.model)
    return [_group(attention, number, result, sources, made_by) for attention, number in numbered(result)]


def numbered(result: Result) -> Iterator[tuple[Attention, int]]:
    """The boxes, each with its number on its image, counted from 1."""
    seen: Counter[str] = Counter()
    for attention in result.attention:
        uid = attention.box.image.sop_instance_uid
        seen[uid] += 1
        yield attention, seen[uid]


def _group(attention: Attention, number: int, result: Result, sources: Sources, made_by: Any) -> Dataset:
    image = attention.box.image
    header = sources.of(image)
    uid = derive_uid(result.study_instance_uid, result.model.name, "attention", image.sop_instance_uid, str(number))
    share = hd.sr.Measurement(coded(concepts.ATTENTION_SHARE), percent(attention.weight), coded(concepts.PERCENT))
    group: Dataset = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid, f"Attention {number} {view_name(header)}".strip()),
        finding_type=coded(concepts.ATTENTION_REGION),
        finding_sites=finding_sites(result.answer.site if result.answer else None, side_code(header)),
        algorithm_id=made_by,
        measurements=[share],
        geometric_purpose=coded(concepts.BOUNDED_BY),
        referenced_region=region(attention.box.points, image),
    )[0]
    return group
