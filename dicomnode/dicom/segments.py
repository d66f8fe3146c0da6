"""What a segmentation holds, in words, and the scores of a fractional one (PS3.3 A.51, C.8.20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.dicom.decoding import DECODE_ERRORS, number_of_frames, stored_frame
from dicomnode.dicom.frames import functional_group
from dicomnode.errors import NotFoundError, PixelError

# CIE L*a*b* of PCS-Values to sRGB: the white point D50 of PS3.3 C.10.7.1.1, Bradford-adapted (IEC 61966-2-1).
_WHITE = (0.9642, 1.0, 0.8249)
_TO_RGB = np.array(
    ((3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.0334540), (0.0719453, -0.2289914, 1.4052427))
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment.

    Attributes:
        number: Segment Number (0062,0004).
        label: Segment Label (0062,0005).
        category: Meaning of the property category.
        kind: Meaning of the property type.
        colour: Recommended display colour as ``#rrggbb``, empty if there is none.
        frames: How many frames it has.
    """

    number: int
    label: str
    category: str
    kind: str
    colour: str
    frames: int


@dataclass(frozen=True, slots=True)
class SegmentList:
    """What a segmentation holds.

    Attributes:
        kind: Segmentation Type (0062,0001): ``BINARY``, ``FRACTIONAL`` or ``LABELMAP``.
        rows: Of a frame.
        columns: Of a frame.
        frames: How many in all.
        segments: In the order of the file.
    """

    kind: str
    rows: int
    columns: int
    frames: int
    segments: tuple[Segment, ...]


def read_segments(dataset: Dataset) -> SegmentList:
    """The segments of a segmentation; its pixels are not looked at."""
    count = number_of_frames(dataset)
    numbers = Counter(_segment_number(dataset, index) for index in range(count))
    return SegmentList(
        kind=str(dataset.get("SegmentationType") or ""),
        rows=int(dataset.get("Rows") or 0),
        columns=int(dataset.get("Columns") or 0),
        frames=count,
        segments=tuple(_segment(item, numbers) for item in dataset.get("SegmentSequence") or ()),
    )


def read_scores(path: Path, sop_instance_uid: str) -> npt.NDArray[np.float32]:
    """(Rows, Columns) scores 0..1 of the frame of a fractional segmentation that is about an image.

    Args:
        path: The segmentation.
        sop_instance_uid: Of the image.

    Raises:
        NotFoundError: No frame of it is about that image.
        PixelError: It cannot be decoded.
    """
    try:
        dataset = dcmread(path)
        sources = _sources(dataset)
        if sop_instance_uid not in sources:
            raise NotFoundError(f"the heat map has no frame about image {sop_instance_uid}")
        stored = stored_frame(dataset, sources.index(sop_instance_uid)).astype(np.float32)
        return stored / np.float32(int(dataset.get("MaximumFractionalValue") or 255))
    except DECODE_ERRORS as error:
        raise PixelError(f"the heat map of image {sop_instance_uid} cannot be read") from error


def source_uids(path: Path) -> tuple[str, ...]:
    """SOP Instance UIDs of the images that the frames of a segmentation are about; empty if it cannot be read."""
    try:
        return _sources(dcmread(path, stop_before_pixels=True))
    except (*DECODE_ERRORS, PixelError):
        return ()


def _sources(dataset: Dataset) -> tuple[str, ...]:
    return tuple(_source(dataset, index) for index in range(number_of_frames(dataset)))


def _source(dataset: Dataset, index: int) -> str:
    derivation = functional_group(dataset, index, "DerivationImageSequence")
    items: Sequence[Dataset] = (derivation.get("SourceImageSequence") or ()) if derivation is not None else ()
    return str(items[0].get("ReferencedSOPInstanceUID") or "") if items else ""


def _segment_number(dataset: Dataset, index: int) -> int:
    group = functional_group(dataset, index, "SegmentIdentificationSequence")
    return 0 if group is None else int(group.get("ReferencedSegmentNumber") or 0)


def _segment(item: Dataset, numbers: Counter[int]) -> Segment:
    number = int(item.get("SegmentNumber") or 0)
    return Segment(
        number=number,
        label=str(item.get("SegmentLabel") or ""),
        category=_meaning(item, "SegmentedPropertyCategoryCodeSequence"),
        kind=_meaning(item, "SegmentedPropertyTypeCodeSequence"),
        colour=_colour(item),
        frames=numbers[number],
    )


def _meaning(item: Dataset, keyword: str) -> str:
    codes = item.get(keyword) or ()
    return str(codes[0].get("CodeMeaning") or "") if codes else ""


def _colour(item: Dataset) -> str:
    stored = item.get("RecommendedDisplayCIELabValue")
    if stored is None or len(stored) != 3:
        return ""
    lightness, a, b = stored[0] / 65535 * 100, stored[1] / 65535 * 255 - 128, stored[2] / 65535 * 255 - 128
    y = (lightness + 16) / 116
    parts = (y + a / 500, y, y - b / 200)
    xyz = [
        white * (part**3 if part > 6 / 29 else (part - 4 / 29) * 3 * (6 / 29) ** 2)
        for white, part in zip(_WHITE, parts, strict=True)
    ]
    linear = np.clip(_TO_RGB @ np.array(xyz), 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(float(value) * 255):02x}" for value in shown)
