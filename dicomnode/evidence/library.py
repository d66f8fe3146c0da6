"""The image library of a measurement report (TID 1600 to 1604)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.dataset import Dataset

from dicomnode.evidence import concepts
from dicomnode.evidence.content import (
    HAS_ACQ_CONTEXT,
    code,
    composite,
    container,
    image,
    named_frame,
    number,
    uid_reference,
)
from dicomnode.evidence.sources import Sources
from dicomnode.evidence.views import side_code, view_code
from dicomnode.study import SourceReference

Traits = tuple[str, str, int, int, tuple[float, ...]]


def image_library(sources: Sources, given: Iterable[SourceReference]) -> Dataset:
    """One group for each set of images that share their descriptors; the group states them once.

    Args:
        sources: The cited instances.
        given: Images that the model was given; frames of a multi-frame image are named if not all were.
    """
    frames: dict[str, list[int]] = {}
    for reference in given:
        frame = named_frame(reference)
        if frame is not None:
            frames.setdefault(reference.sop_instance_uid, []).append(frame)
    groups: dict[tuple[str, Traits], list[Dataset]] = {}
    for uid, header in sources.images.items():
        key = (str(header.SeriesInstanceUID), _traits(header))
        groups.setdefault(key, []).append(_entry(header, frames.get(uid, [])))
    return container(
        concepts.IMAGE_LIBRARY,
        [
            container(concepts.IMAGE_LIBRARY_GROUP, [*_descriptors(traits), *entries])
            for (_, traits), entries in groups.items()
        ],
    )


def _entry(header: Dataset, frames: list[int]) -> Dataset:
    reference = SourceReference(str(header.SOPClassUID), str(header.SOPInstanceUID), str(header.SeriesInstanceUID))
    if "Rows" not in header:
        return composite(concepts.SOURCE, reference)
    every = len(frames) == int(header.get("NumberOfFrames") or 1)
    item = image(concepts.SOURCE, reference, () if every else frames)
    described = _projection(header)
    if described:
        item.ContentSequence = described
    return item


def _projection(header: Dataset) -> list[Dataset]:
    """The side that an image shows and the view, where it states them (TID 1602)."""
    stated = ((concepts.IMAGE_LATERALITY, side_code(header)), (concepts.IMAGE_VIEW, view_code(header)))
    return [code(name, value, HAS_ACQ_CONTEXT) for name, value in stated if value is not None]


def _traits(header: Dataset) -> Traits:
    spacing = header.get("PixelSpacing") or _shared_spacing(header)
    return (
        str(header.get("Modality") or ""),
        str(header.get("FrameOfReferenceUID") or ""),
        int(header.get("Rows") or 0),
        int(header.get("Columns") or 0),
        tuple(float(value) for value in spacing) if len(spacing) == 2 else (),
    )


def _shared_spacing(header: Dataset) -> Sequence[float]:
    """Pixel Spacing of a multi-frame image whose frames share it, such as a whole slide."""
    for groups in list(header.get("SharedFunctionalGroupsSequence") or [])[:1]:
        for measures in list(groups.get("PixelMeasuresSequence") or [])[:1]:
            return measures.get("PixelSpacing") or ()
    return ()


def _descriptors(traits: Traits) -> list[Dataset]:
    modality, frame_of_reference, rows, columns, spacing = traits
    items = [code(concepts.MODALITY, concepts.modality_concept(modality), HAS_ACQ_CONTEXT)]
    if frame_of_reference:
        items.append(uid_reference(concepts.FRAME_OF_REFERENCE_UID, frame_of_reference, HAS_ACQ_CONTEXT))
    if rows and columns:
        items.append(number(concepts.PIXEL_DATA_ROWS, rows, concepts.PIXELS, HAS_ACQ_CONTEXT))
        items.append(number(concepts.PIXEL_DATA_COLUMNS, columns, concepts.PIXELS, HAS_ACQ_CONTEXT))
    if spacing:
        vertical, horizontal = spacing
        items.append(number(concepts.HORIZONTAL_PIXEL_SPACING, horizontal, concepts.MILLIMETER, HAS_ACQ_CONTEXT))
        items.append(number(concepts.VERTICAL_PIXEL_SPACING, vertical, concepts.MILLIMETER, HAS_ACQ_CONTEXT))
    return items
