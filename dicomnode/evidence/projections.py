"""The images of a result that are projections (mammograms, radiographs), and what an object about one repeats of it.

A segmentation or a picture of a projection is about one image only: two views differ in size, side and orientation,
and PS3.3 lets an object state each of these once.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.evidence.identity import MAXIMUM_PARTS
from dicomnode.evidence.sources import Sources
from dicomnode.evidence.views import PROJECTION_MODALITIES, view_name
from dicomnode.findings import Result
from dicomnode.study import SourceReference


@dataclass(frozen=True, slots=True)
class Projection:
    """A single-frame projection image.

    Attributes:
        image: The whole instance.
        part: That of the objects about it, counted from 1; a standard view of a mammogram has always the same.
        view: Its view, such as ``L-CC``; empty if it is no mammogram or does not say.
    """

    image: SourceReference
    part: int
    view: str


def is_projection(header: Dataset) -> bool:
    """Whether an image is a mammogram or radiograph of one grey frame, as opposed to a slice or a photograph."""
    single = int(header.get("NumberOfFrames") or 1) == 1
    grey = int(header.get("SamplesPerPixel") or 1) == 1
    return header.get("Modality") in PROJECTION_MODALITIES and single and grey and "ImagePositionPatient" not in header


def projections_of(result: Result, sources: Sources) -> tuple[Projection, ...]:
    """The projections among the images that a result was made from or names, at most one for each part."""
    given = dict.fromkeys(reference.sop_instance_uid for reference in result.images)
    ordered = [uid for uid in dict.fromkeys((*given, *sources.images)) if is_projection(sources.images[uid])]
    views = {uid: view_name(sources.images[uid]) for uid in ordered}
    return tuple(Projection(_reference(uid, sources), part, views[uid]) for uid, part in _parts(views).items())


def _parts(views: Mapping[str, str]) -> dict[str, int]:
    """The part of each image, by its view: a late image must not move the others into each other's series."""
    firsts = {view: uid for uid, view in reversed(list(views.items())) if view in STANDARD_VIEWS}
    parts = {uid: STANDARD_VIEWS.index(view) + 1 for view, uid in firsts.items()}
    standard = range(1, 1 + (len(STANDARD_VIEWS) if parts else 0))
    free = [part for part in (*range(standard.stop, MAXIMUM_PARTS + 1), *standard) if part not in parts.values()]
    parts |= dict(zip((uid for uid in views if uid not in parts), free, strict=False))
    return {uid: parts[uid] for uid in views if uid in parts}


def _reference(uid: str, sources: Sources) -> SourceReference:
    header = sources.images[uid]
    return SourceReference(str(header.SOPClassUID), uid, str(header.SeriesInstanceUID))


def same_image(first: SourceReference, second: SourceReference) -> bool:
    """Whether two references name the same instance; frame 1 of a single-frame image is the image."""
    return replace(first, frame_number=None) == replace(second, frame_number=None)


def orient_as(document: Dataset, source: Dataset) -> None:
    """Repeat the orientation of the one projection that an object is about (PS3.3 C.7.6.1); its side is coded."""
    orientation = source.get("PatientOrientation")
    document.PatientOrientation = copy.copy(orientation) if orientation else ""
