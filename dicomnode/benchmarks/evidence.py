"""What writing the documents of a result costs, beside highdicom as its examples use it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from pydicom import dcmread

from dicomnode import __version__
from dicomnode.benchmarks.naive_documents import naive_report, naive_segmentation
from dicomnode.benchmarks.studies import CT, Shape, pixels_of, study_uid_of, write_study
from dicomnode.dicom.uids import derive_uid
from dicomnode.errors import DicomNodeError
from dicomnode.evidence import NodeIdentity, to_bytes
from dicomnode.evidence.documents import lesions_document
from dicomnode.evidence.masks import Masks, masks_of
from dicomnode.evidence.segmentation import segmentation_document
from dicomnode.evidence.sources import read_headers, read_sources
from dicomnode.evidence.stamp import Draft
from dicomnode.findings import Code, Finding, Mask, ModelIdentity, Outcome, Polygon, Result
from dicomnode.study import SourceReference

_NAME = "evidence"
_LESION = Code("52988006", "SCT", "Lesion")
_MODEL = ModelIdentity("benchmark", "1.0.0", "dicomnode", "0" * 64, "", "")
_BOX = np.array([[10.0, 10.0], [40.0, 10.0], [40.0, 40.0], [10.0, 40.0]])
_NODE = NodeIdentity("DICOMNODE", __version__)


@dataclass(frozen=True, slots=True)
class Written:
    """Seconds for one document, from values in memory to the bytes of the file.

    Attributes:
        name: Which document.
        bytes: Of ours.
        node: Of each repetition.
        naive: The same of highdicom alone, given the source images themselves.
    """

    name: str
    bytes: int
    node: tuple[float, ...]
    naive: tuple[float, ...]

    @property
    def node_median(self) -> float:
        """Seconds."""
        return statistics.median(self.node)

    @property
    def naive_median(self) -> float:
        """Seconds."""
        return statistics.median(self.naive)


def measure_evidence(
    folder: Path, slices: int, rows: int, groups: tuple[int, ...], repeats: int, progress: Callable[[str], None]
) -> list[Written]:
    """Write documents about a generated CT study, ours and naive ones by turns.

    Args:
        folder: The study is written there.
        slices: Of the study.
        rows: And columns of each.
        groups: ROI groups of each report.
        repeats: Of each.
        progress: Told what is done.
    """
    progress("generating the study")
    shape = Shape(CT, slices, rows, rows)
    paths = [document.path for document in write_study(shape, pixels_of(shape), _NAME, folder)]
    headers, images = read_headers(paths), [dcmread(path) for path in paths]
    empty = _result(tuple(SourceReference(i.SOPClassUID, i.SOPInstanceUID, i.SeriesInstanceUID) for i in images))

    def report(result: Result) -> bytes:
        sources = read_sources(result, paths, headers)
        return to_bytes(lesions_document(Draft("lesions", result, sources, None, _NODE)))

    def segmentation(result: Result) -> bytes:
        sources = read_sources(result, paths, headers)
        masks = masks_of(result, sources)
        if not isinstance(masks, Masks):
            raise DicomNodeError(f"there is nothing to segment: {masks}")
        return to_bytes(segmentation_document(Draft("segmentation", result, sources, None, _NODE), masks))

    found = []
    for count in groups:
        result = replace(empty, findings=_outlined(empty.images, count))
        pair = partial(report, result), partial(naive_report, result, images)
        found.append(_timed(f"SR of {count} groups", *pair, repeats, progress))
    mask = _mask(empty.images, rows)
    segmented = replace(empty, findings=(replace(_finding(empty.images[0], 0), contours=(), mask=mask),))
    pair = partial(segmentation, segmented), partial(naive_segmentation, mask.pixels, images)
    return [*found, _timed(f"SEG of {slices} slices", *pair, repeats, progress)]


def _timed(
    name: str, ours: Callable[[], bytes], naive: Callable[[], bytes], repeats: int, progress: Callable[[str], None]
) -> Written:
    taken: tuple[list[float], list[float]] = ([], [])
    size = len(ours())
    for turn in range(repeats):
        progress(f"{name}: {turn + 1} of {repeats}")
        for place in (0, 1) if turn % 2 == 0 else (1, 0):
            started = time.perf_counter()
            (ours, naive)[place]()
            taken[place].append(time.perf_counter() - started)
    return Written(name, size, tuple(taken[0]), tuple(taken[1]))


def _result(images: tuple[SourceReference, ...]) -> Result:
    return Result(
        study_instance_uid=study_uid_of(_NAME),
        model=_MODEL,
        outcome=Outcome.FINDINGS,
        reason="",
        answer=None,
        findings=(),
        images=images,
        input_digest="0" * 64,
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _outlined(images: tuple[SourceReference, ...], count: int) -> tuple[Finding, ...]:
    return tuple(_finding(images[number % len(images)], number) for number in range(count))


def _finding(image: SourceReference, number: int) -> Finding:
    return Finding(
        concept=_LESION,
        label=f"Lesion {number + 1}",
        tracking_uid=derive_uid(_NAME, str(number)),
        score=0.5,
        contours=(Polygon(image, _BOX),),
    )


def _mask(images: tuple[SourceReference, ...], rows: int) -> Mask:
    """A cylinder through all slices."""
    across = np.linspace(-1, 1, rows)
    disc = across[:, np.newaxis] ** 2 + across[np.newaxis] ** 2 < 0.25
    return Mask(images, np.broadcast_to(disc, (len(images), rows, rows)))
