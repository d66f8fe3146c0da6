"""Masks of a binary DICOM segmentation as regions of the images that it was drawn on (PS3.3 A.51)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.dicom.decoding import DECODE_ERRORS, stored_frames
from dicomnode.errors import InputError
from dicomnode.learning.data.annotations import Region
from dicomnode.learning.data.shapes import encode_runs, mask_box

Place = tuple[str, int | None]
"""SOP Instance UID of an image, and its frame counted from 1; None for a single-frame image."""


def read_segments(path: Path) -> Iterator[tuple[Place, Region]]:
    """Every segment on every frame, labelled with what it is (Segmented Property Type).

    Raises:
        InputError: The file cannot be read, is not binary, or a frame names no source image.
    """
    try:
        dataset = dcmread(path, force=True)
        if dataset.get("SegmentationType") != "BINARY":
            raise InputError(f"{path.name}: is no binary segmentation; only such a one has regions")
        names = {int(item.SegmentNumber): _name(item) for item in dataset.SegmentSequence}
        frames = zip(dataset.PerFrameFunctionalGroupsSequence, stored_frames(dataset), strict=True)
        for number, (groups, pixels) in enumerate(frames, 1):
            mask = np.asarray(pixels, np.bool_)
            box = mask_box(mask)
            if box is not None:
                segment = int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
                yield _source(groups, path, number), Region(names[segment], box, encode_runs(mask))
    except DECODE_ERRORS as error:
        raise InputError(f"{path.name}: is damaged; its segments cannot be read") from error


def _name(item: Dataset) -> str:
    kinds = item.get("SegmentedPropertyTypeCodeSequence") or [Dataset()]
    return str(kinds[0].get("CodeMeaning") or item.SegmentLabel)


def _source(groups: Dataset, path: Path, number: int) -> Place:
    for derivation in groups.get("DerivationImageSequence") or []:
        for source in derivation.get("SourceImageSequence") or []:
            frame = source.get("ReferencedFrameNumber")
            return str(source.ReferencedSOPInstanceUID), None if frame is None else int(frame)
    raise InputError(f"{path.name}: frame {number} names no source image, so that nobody knows what it was drawn on")
