"""Checks of the segmentation: segments, frames, and their ties to the sources and the lesions."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from dicomnode.evidence import concepts
from dicomnode.evidence.gate.lesions import frames as frame_references
from dicomnode.evidence.gate.study import exists
from dicomnode.evidence.gate.subject import Subject, children, descendants, named
from dicomnode.evidence.projections import is_projection


def _is_segmentation(subject: Subject) -> bool:
    return bool(subject.dataset.get("SOPClassUID") == SegmentationStorage)


def segments(subject: Subject) -> Iterator[str]:
    """Segments are numbered 1, 2, 3, and each is labelled and coded."""
    if not _is_segmentation(subject):
        return
    items = list(subject.dataset.get("SegmentSequence") or [])
    numbers = [int(item.get("SegmentNumber") or 0) for item in items]
    if numbers != list(range(1, len(items) + 1)):
        yield f"segment numbers are {numbers}; they must count from 1 without a gap"
    for number, item in enumerate(items, 1):
        for keyword in (
            "SegmentLabel",
            "SegmentAlgorithmType",
            "SegmentedPropertyCategoryCodeSequence",
            "SegmentedPropertyTypeCodeSequence",
        ):
            if not item.get(keyword):
                yield f"segment {number} has no {keyword}"


def own_segments(subject: Subject) -> Iterator[str]:
    """The node's segments are automatic, signed by their algorithm, tracked, and coloured."""
    if not _is_segmentation(subject):
        return
    groups = list(subject.dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = list(subject.dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    used = {_segment_number([group, *shared]) for group in groups}
    for number, item in enumerate(subject.dataset.get("SegmentSequence") or [], 1):
        if number not in used:
            yield f"segment {number} has no frame"
        if item.get("SegmentAlgorithmType") != "AUTOMATIC":
            yield f"segment {number} is not marked AUTOMATIC"
        for keyword in (
            "SegmentationAlgorithmIdentificationSequence",
            "SegmentAlgorithmName",
            "TrackingID",
            "TrackingUID",
            "RecommendedDisplayCIELabValue",
        ):
            if not item.get(keyword):
                yield f"segment {number} has no {keyword}"


def frames(subject: Subject) -> Iterator[str]:
    """Every frame belongs to a segment that exists, lies in space, and names its source image."""
    dataset = subject.dataset
    if not _is_segmentation(subject) or dataset.get("DimensionOrganizationType") == "TILED_FULL":
        return  # the frames of a TILED_FULL image are not described one by one
    items = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    if len(items) != int(dataset.get("NumberOfFrames") or 0):
        yield f"NumberOfFrames is {dataset.get('NumberOfFrames')}, but {len(items)} frames are described"
    known = {int(item.get("SegmentNumber") or 0) for item in dataset.get("SegmentSequence") or []}
    for number, item in enumerate(items, 1):
        segment = _segment_number([item, *shared])
        if segment not in known:
            yield f"frame {number} belongs to segment {segment}, which is not described"
        placed = any(_placed(group) for group in (item, *shared))
        if dataset.get("FrameOfReferenceUID") and not placed and not _is_of_a_picture(subject, item):
            yield f"frame {number} has no plane position"
        yield from _sources(subject, number, item)


def _is_of_a_picture(subject: Subject, frame: Dataset) -> bool:
    # What is drawn on a picture lies where the picture's pixels are; the picture says no more itself.
    if subject.role == "heat-map":
        return "TotalPixelMatrixOriginSequence" not in subject.dataset
    headers = [subject.sources.get(str(r.get("ReferencedSOPInstanceUID"))) for r in source_images(frame)]
    if not any(headers):
        return "PatientOrientation" in subject.dataset
    return all(header is not None and is_projection(header) for header in headers)


def source_images(frame: Dataset) -> list[Dataset]:
    """The references of a frame to the images that it was made from."""
    return [
        source
        for derivation in frame.get("DerivationImageSequence") or []
        for source in derivation.get("SourceImageSequence") or []
    ]


def _placed(group: Dataset) -> bool:
    return bool(group.get("PlanePositionSequence") or group.get("PlanePositionSlideSequence"))


def _segment_number(groups: list[Dataset]) -> int:
    for group in groups:
        for item in group.get("SegmentIdentificationSequence") or []:
            return int(item.get("ReferencedSegmentNumber") or 0)
    return 0


def _sources(subject: Subject, number: int, frame: Dataset) -> Iterator[str]:
    references = source_images(frame)
    if not references:
        yield f"frame {number} names no source image"
    for reference in references:
        uid = str(reference.get("ReferencedSOPInstanceUID"))
        source = subject.sources.get(uid)
        if source is None:
            if not exists(subject, uid):
                yield f"frame {number}: its source instance {uid} does not exist in the study"
            continue
        if source.get("SOPClassUID") != reference.get("ReferencedSOPClassUID"):
            yield f"frame {number}: the SOP class of its source is not the instance's"
        if source.get("FrameOfReferenceUID") != subject.dataset.get("FrameOfReferenceUID"):
            yield f"frame {number}: its source lies in another frame of reference"
        if reference.get("SpatialLocationsPreserved") == "NO":
            continue  # a grid of its own, derived from more than one frame
        if (source.get("Rows"), source.get("Columns")) != (subject.dataset.get("Rows"), subject.dataset.get("Columns")):
            yield f"frame {number}: its source has other Rows and Columns"
        yield from frame_references(f"frame {number}", reference, source)


def instances(subject: Subject) -> Iterator[str]:
    """Every instance that a frame names is listed in the Common Instance Reference (PS3.3 C.12.2)."""
    if not _is_segmentation(subject):
        return
    listed = {
        str(item.get("ReferencedSOPInstanceUID"))
        for series in subject.dataset.get("ReferencedSeriesSequence") or []
        for item in series.get("ReferencedInstanceSequence") or []
    }
    cited = {
        str(source.get("ReferencedSOPInstanceUID"))
        for frame in subject.dataset.get("PerFrameFunctionalGroupsSequence") or []
        for source in source_images(frame)
    }
    for uid in sorted(cited - listed):
        yield f"source instance {uid} is not listed in ReferencedSeriesSequence"


def tracking(subject: Subject) -> Iterator[str]:
    """Segments and lesion groups of one result carry the same tracking UIDs and identifiers."""
    reports = [companion for companion in subject.companions if Subject(companion).role == "lesions"]
    if subject.role != "segmentation" or not reports:
        return
    tracked = {pair for report in reports for pair in _tracked(report)}
    for item in subject.dataset.get("SegmentSequence") or []:
        if (str(item.get("TrackingUID")), str(item.get("TrackingID"))) not in tracked:
            yield f"segment {item.get('SegmentNumber')} is not tracked under the UID and identifier of a lesion group"


def _tracked(report: Dataset) -> Iterator[tuple[str, str]]:
    for _, _, item in descendants(report):
        uids, identifiers = (
            named(children(item), concepts.TRACKING_UID),
            named(children(item), concepts.TRACKING_IDENTIFIER),
        )
        for uid, identifier in zip(uids, identifiers, strict=False):
            yield str(uid.get("UID")), str(identifier.get("TextValue"))
