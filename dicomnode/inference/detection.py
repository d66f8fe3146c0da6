"""From boxes and masks on slices to findings and one answer for the study."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from dicomnode.bundles import NodeMetadata
from dicomnode.dicom import codes
from dicomnode.dicom.outline import axes, box_corners
from dicomnode.dicom.uids import derive_uid
from dicomnode.findings import Finding, Mask, Measurement, Polygon, Presence, StudyAnswer
from dicomnode.inference.linking import Lesion, link
from dicomnode.inference.network import Detection
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.study import SourceReference


def findings_of(
    node: NodeMetadata, groups: Sequence[SliceGroup], detections: Sequence[Sequence[Detection]], seed: str
) -> tuple[Finding, ...]:
    """The lesions at or above the operating point, strongest first.

    Args:
        node: Classes, site and operating point.
        groups: The source images.
        detections: Per slice, through all groups.
        seed: What tracking UIDs are derived from: same seed, same UIDs.
    """
    lesions: list[tuple[SliceGroup, Lesion]] = []
    rest = iter(detections)
    for group in groups:
        own = list(islice(rest, len(group.images)))
        found = link(own, node.operating_point.threshold, neighbours=group.is_volume)
        lesions += [(group, lesion) for lesion in found]
    lesions.sort(key=lambda item: -item[1].score)
    return tuple(_finding(node, group, lesion, seed, number) for number, (group, lesion) in enumerate(lesions, start=1))


def answer_of_detections(
    node: NodeMetadata, images: Sequence[SourceReference], detections: Sequence[Sequence[Detection]]
) -> StudyAnswer:
    """Present if any box reaches the operating point; the score is the highest one, 0 if there is no box.

    Every image with such a box carries the answer; without one, the image that came closest does.

    Args:
        node: Operating point and study concept.
        images: One per slice.
        detections: Per slice.
    """
    best = np.array([max((item.score for item in found), default=0.0) for found in detections])
    order = np.argsort(-best, kind="stable")
    threshold = node.operating_point.threshold
    carriers = [index for index in order if best[index] >= threshold] or list(order[:1])
    score = float(best[order[0]])
    return StudyAnswer(
        concept=node.study_concept,
        presence=Presence.PRESENT if score >= threshold else Presence.ABSENT,
        score=score,
        calibrated=node.calibration is not None,
        threshold=threshold,
        classes=(),
        carried_by=tuple(images[index] for index in carriers),
        method=node.aggregation.statement,
        site=node.finding_site,
    )


def _finding(node: NodeMetadata, slices: SliceGroup, lesion: Lesion, seed: str, number: int) -> Finding:
    planes = sorted(lesion.planes, key=lambda plane: (-plane[1].score, plane[0]))
    return Finding(
        concept=node.classes[lesion.label - 1].code,
        label=f"Lesion {number}",
        tracking_uid=derive_uid(seed, "finding", str(number)),
        score=lesion.score,
        contours=tuple(_contour(slices.images[index], detection) for index, detection in planes),
        site=node.finding_site,
        mask=_mask(slices, lesion),
        measurements=_measurements(slices, lesion),
    )


def _contour(image: SourceReference, detection: Detection) -> Polygon:
    if detection.region is None:
        return Polygon(image, box_corners(detection.box), is_box=True)
    return Polygon(image, detection.region.outline)


def _mask(slices: SliceGroup, lesion: Lesion) -> Mask | None:
    planes = [(index, item.region) for index, item in lesion.planes if item.region is not None]
    if not planes:
        return None
    shape = slices.pixels[planes[0][0]].shape
    pixels = np.stack([region.on((shape[1], shape[2])) for _, region in planes])
    return Mask(tuple(slices.images[index] for index, _ in planes), pixels)


def _measurements(slices: SliceGroup, lesion: Lesion) -> tuple[Measurement, ...]:
    """Axes on the slice where the long one is longest; the volume only of a lesion that spans slices."""
    if slices.pixel_spacing is None:
        return ()
    sizes = [_axes(detection, slices.pixel_spacing) for _, detection in lesion.planes]
    long_axis, short_axis = max(sizes)
    measured = [
        Measurement(codes.LONG_AXIS, long_axis, codes.MILLIMETRE),
        Measurement(codes.SHORT_AXIS, short_axis, codes.MILLIMETRE),
    ]
    volume = _volume(slices, lesion)
    if volume is not None:
        measured.append(Measurement(codes.VOLUME, volume, codes.CUBIC_MILLIMETRE))
    return tuple(measured)


def _axes(detection: Detection, pixel_spacing: tuple[float, float]) -> tuple[float, float]:
    if detection.region is not None:
        return axes(detection.region.outline, pixel_spacing)
    width, height = (detection.box[2:] - detection.box[:2]) * np.array([pixel_spacing[1], pixel_spacing[0]])
    return float(max(width, height)), float(min(width, height))


def _volume(slices: SliceGroup, lesion: Lesion) -> float | None:
    """In mm3: counted voxels; None if a plane has no mask, or there is only one."""
    regions = [detection.region for _, detection in lesion.planes]
    if slices.pixel_spacing is None or slices.slice_distance is None or len(regions) < 2:
        return None
    counts = [int(region.pixels.sum()) for region in regions if region is not None]
    if len(counts) < len(regions):
        return None
    rows, columns = slices.pixel_spacing
    return float(sum(counts) * rows * columns * slices.slice_distance)
