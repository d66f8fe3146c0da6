"""What an evidence object says, read from its file: a report's tree, a segmentation's segments, the gate's verdict."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Evidence
from dicomnode.dicom.content_tree import ContentItem, read_content
from dicomnode.dicom.segments import SegmentList, read_segments
from dicomnode.errors import ArchiveError, NotFoundError, describe
from dicomnode.web.api.views import View

_DEFERRED_BYTES = 64 * 1024
_DAMAGE = (AttributeError, IndexError, KeyError, NotImplementedError, OSError, TypeError, ValueError)


class ContentView(View):
    """A content item of a structured report in words (PS3.3 C.17.3)."""

    relationship: str
    value_type: str
    concept: str
    value: str
    children: tuple[ContentView, ...]


class SegmentView(View):
    """A segment; ``colour`` as #rrggbb, empty if none is recommended."""

    number: int
    label: str
    category: str
    kind: str
    colour: str
    frames: int


class SegmentationView(View):
    """What a segmentation holds."""

    kind: str
    rows: int
    columns: int
    frames: int
    segments: tuple[SegmentView, ...]


class LintView(View):
    """What the gate says of the object now; at its making the gate saw the study's images too."""

    problems: tuple[str, ...]
    unchecked: tuple[str, ...]


class ContentsView(View):
    """What an evidence object says; a picture or presentation state has neither tree nor segments."""

    sop_uid: str
    series_description: str
    rows: int
    columns: int
    tree: ContentView | None
    segmentation: SegmentationView | None
    lint: LintView


def contents_of(archive: Archive, study_uid: str, sop_uid: str) -> ContentsView:
    """Read an evidence object.

    Raises:
        NotFoundError: The node made no such object for the study.
        ArchiveError: Its file cannot be read.
    """
    item = evidence_item(archive, study_uid, sop_uid)
    siblings = [other for other in archive.evidence.list(study_uid) if other.job_id == item.job_id]
    try:
        document = _read(item.path)
        lint = _lint(document, [_read(other.path) for other in siblings])
        return ContentsView(
            sop_uid=sop_uid,
            series_description=str(document.get("SeriesDescription") or ""),
            rows=int(document.get("Rows") or 0),
            columns=int(document.get("Columns") or 0),
            tree=_tree(read_content(document)) if "ValueType" in document else None,
            segmentation=_segmentation(read_segments(document)) if "SegmentSequence" in document else None,
            lint=lint,
        )
    except _DAMAGE as error:
        raise ArchiveError(f"evidence object {sop_uid} cannot be read: {describe(error)}") from error


def evidence_item(archive: Archive, study_uid: str, sop_uid: str) -> Evidence:
    """An evidence object of a study.

    Raises:
        NotFoundError: The node made no such object for it.
    """
    item = archive.evidence.get(sop_uid)
    if item is None or item.study_instance_uid != study_uid:
        raise NotFoundError(f"evidence object {sop_uid} was not made by this node for study {study_uid}")
    return item


def _read(path: Path) -> Dataset:
    """With pixels only where the gate looks at them; those are small."""
    header = dcmread(path, stop_before_pixels=True, defer_size=_DEFERRED_BYTES)
    with_pixels = header.get("Modality") == "SEG" or header.get("SOPClassUID") == SecondaryCaptureImageStorage
    return dcmread(path) if with_pixels else header


def _lint(document: Dataset, companions: list[Dataset]) -> LintView:
    # The gate's own imports take longer than the web role may take to start.
    from dicomnode.evidence import examine

    found = examine(document, (), companions)
    return LintView(problems=found.problems, unchecked=found.unchecked)


def _tree(item: ContentItem) -> ContentView:
    return ContentView(
        relationship=item.relationship,
        value_type=item.value_type,
        concept=item.concept,
        value=item.value,
        children=tuple(map(_tree, item.children)),
    )


def _segmentation(found: SegmentList) -> SegmentationView:
    segments = tuple(
        SegmentView(
            number=one.number,
            label=one.label,
            category=one.category,
            kind=one.kind,
            colour=one.colour,
            frames=one.frames,
        )
        for one in found.segments
    )
    return SegmentationView(
        kind=found.kind, rows=found.rows, columns=found.columns, frames=found.frames, segments=segments
    )
