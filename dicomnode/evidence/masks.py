"""Which masks of a result can become a segmentation, and where their planes lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dicomnode.errors import InputError
from dicomnode.evidence.planes import Plane, plane_of, slice_distance
from dicomnode.evidence.projections import Projection, is_projection, projections_of, same_image
from dicomnode.evidence.sources import Sources
from dicomnode.findings import Finding, Result
from dicomnode.study import SourceReference

_NO_PLACE = (
    "No segmentation object: the images do not state their place in the patient (frame of reference, position, "
    "orientation, spacing). The outlines are in the lesions document."
)
_NO_THICKNESS = (
    "No segmentation object: the images state no slice thickness, and there are no others to tell it from. The "
    "outlines are in the lesions document."
)
_NO_GRID = "No segmentation object: the lesions lie in several series or orientations. See the lesions document."
_ONE_PLACE = "No segmentation object: several images lie at one position. See the lesions document."


@dataclass(frozen=True, slots=True)
class Masks:
    """What a segmentation is made from.

    Attributes:
        findings: Those that have a mask, in the order of the segments.
        planes: Place of each image that any mask touches, in reading order; each with a slice thickness.
        slice_distance: Between neighbouring images of the series, touched or not, in mm; None of a single image.
    """

    findings: tuple[Finding, ...]
    planes: Mapping[SourceReference, Plane]
    slice_distance: float | None


@dataclass(frozen=True, slots=True)
class ProjectedMasks:
    """What the segmentation of one projection image is made from.

    Attributes:
        projection: The image; each pixel of the masks is the image's at the same row and column.
        findings: Those that have a mask on it.
        pixels: (findings, Rows, Columns) bool.
    """

    projection: Projection
    findings: tuple[Finding, ...]
    pixels: npt.NDArray[np.bool_]


def masks_of(result: Result, sources: Sources) -> Masks | tuple[ProjectedMasks, ...] | str | None:
    """What can be segmented: the masks, a sentence that says why not, or None if there are none.

    Projections have no place in the patient, and a segmentation for each of them; of a result on slices and
    projections only the slices are segmented.

    Raises:
        InputError: A mask does not have the size of its image.
    """
    findings = tuple(f for f in result.findings if f.mask is not None and f.mask.pixels.any())
    if not findings:
        return None
    touched = {image for finding in findings for image in _touched(finding)}
    if all(is_projection(sources.of(image)) for image in touched):
        every = (_projected(projection, findings, sources) for projection in projections_of(result, sources))
        return tuple(masks for masks in every if masks.findings)
    order = dict.fromkeys((*result.images, *sorted(touched, key=lambda image: image.sop_instance_uid)))
    placed = {image: plane_of(sources.of(image), image) for image in order}
    planes = {image: plane for image, plane in placed.items() if plane is not None and image in touched}
    for finding in findings:
        _check_shape(finding, planes)
    if len(planes) < len(touched):
        return _NO_PLACE
    grids = {_grid(image, plane) for image, plane in planes.items()}
    if len(grids) > 1:
        return _NO_GRID
    if len({plane.position for plane in planes.values()}) < len(planes):
        return _ONE_PLACE
    distance = slice_distance([p for image, p in placed.items() if p is not None and _grid(image, p) in grids])
    thick = {
        image: replace(plane, slice_thickness=plane.slice_thickness or distance) for image, plane in planes.items()
    }
    if any(plane.slice_thickness is None for plane in thick.values()):
        return _NO_THICKNESS
    return Masks(findings, thick, distance)


def _projected(projection: Projection, findings: tuple[Finding, ...], sources: Sources) -> ProjectedMasks:
    header = sources.of(projection.image)
    shape = (int(header.Rows), int(header.Columns))
    drawn: list[Finding] = []
    planes: list[npt.NDArray[np.bool_]] = []
    for finding in findings:
        found = [] if finding.mask is None else zip(finding.mask.images, finding.mask.pixels, strict=True)
        on_it = [plane for image, plane in found if same_image(image, projection.image) and plane.any()]
        if on_it:
            _require_shape(finding, on_it[0].shape, shape, projection.image)
            drawn.append(finding)
            planes.append(np.logical_or.reduce(on_it))
    return ProjectedMasks(projection, tuple(drawn), np.array(planes, bool))


def _require_shape(finding: Finding, shape: tuple[int, ...], wanted: tuple[int, int], image: SourceReference) -> None:
    if shape != wanted:
        raise InputError(
            f"mask of {finding.label} has shape {shape}, but image {image.sop_instance_uid} has "
            f"{wanted[0]} x {wanted[1]} pixels; masks lie on the source's pixel grid"
        )


def _check_shape(finding: Finding, planes: Mapping[SourceReference, Plane]) -> None:
    shape = () if finding.mask is None else finding.mask.pixels.shape[1:]
    for image in _touched(finding):
        plane = planes.get(image)
        if plane is not None:
            _require_shape(finding, shape, (plane.rows, plane.columns), image)


def _touched(finding: Finding) -> list[SourceReference]:
    if finding.mask is None:
        return []
    return [image for image, plane in zip(finding.mask.images, finding.mask.pixels, strict=True) if plane.any()]


def _grid(image: SourceReference, plane: Plane) -> tuple[object, ...]:
    orientation = tuple(round(cosine, 4) for cosine in plane.orientation)
    spacing = tuple(round(value, 5) for value in plane.pixel_spacing)
    frame_of_reference = plane.frame_of_reference_uid
    return image.series_instance_uid, frame_of_reference, orientation, spacing, plane.rows, plane.columns
