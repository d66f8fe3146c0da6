"""Salient regions of an exam's images as findings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dicomnode.bundles import ExamInput, NodeMetadata
from dicomnode.dicom import codes
from dicomnode.dicom.outline import axes, box_corners
from dicomnode.dicom.uids import derive_uid
from dicomnode.findings import Finding, Mask, Measurement, Polygon, Presence, StudyAnswer
from dicomnode.inference.mammography.answer import SeenView, study_class
from dicomnode.inference.mammography.saliency import salient_regions
from dicomnode.inference.pixelmap import Region


def lesions_of(
    node: NodeMetadata, exam: ExamInput, answer: StudyAnswer, views: Sequence[SeenView], seed: str
) -> tuple[Finding, ...]:
    """Salient regions in the breasts that reach the operating point, strongest first; each view has its own.

    Args:
        node: Classes and site.
        exam: The saliency from which on a region is a lesion; without it there is none.
        answer: The answer that these views led to.
        views: Every image that the network was shown.
        seed: What tracking UIDs are derived from: same seed, same UIDs.
    """
    present = {side.laterality for side in answer.sides if side.presence is Presence.PRESENT}
    found = [
        (view, region, score)
        for view in views
        if exam.lesion_threshold is not None and view.heat_map is not None and view.laterality in present
        for region, score in salient_regions(view.heat_map, view.shape, exam.lesion_threshold)
    ]
    found.sort(key=lambda item: -item[2])
    concept = node.classes[study_class(node, exam)].code
    return tuple(
        Finding(
            concept=concept,
            label=f"Lesion {number}",
            tracking_uid=derive_uid(seed, "finding", str(number)),
            score=score,
            contours=(_box(view, region),),
            site=node.finding_site,
            mask=Mask((view.image,), region.on(view.shape)[np.newaxis]),
            measurements=_measurements(view, region),
            laterality=view.laterality,
        )
        for number, (view, region, score) in enumerate(found, start=1)
    )


def _box(view: SeenView, region: Region) -> Polygon:
    rows, columns = np.nonzero(region.pixels)
    low = np.array([region.left + columns.min(), region.top + rows.min()], dtype=np.float64)
    high = np.array([region.left + columns.max() + 1, region.top + rows.max() + 1], dtype=np.float64)
    return Polygon(view.image, box_corners(np.concatenate([low, high])), is_box=True)


def _measurements(view: SeenView, region: Region) -> tuple[Measurement, ...]:
    if view.pixel_spacing is None:
        return ()
    long_axis, short_axis = axes(region.outline, view.pixel_spacing)
    return (
        Measurement(codes.LONG_AXIS, long_axis, codes.MILLIMETRE),
        Measurement(codes.SHORT_AXIS, short_axis, codes.MILLIMETRE),
    )
