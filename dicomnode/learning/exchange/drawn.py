"""Regions that somebody drew on exported pictures as findings of the study that the pictures came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from dicomnode.dicom import codes
from dicomnode.dicom.outline import axes, box_corners, outline
from dicomnode.dicom.uids import derive_uid
from dicomnode.errors import InputError
from dicomnode.findings import Code, Finding, Mask, Measurement, ModelIdentity, Outcome, Polygon, Result
from dicomnode.learning.data.annotations import AnnotationSet, Region
from dicomnode.learning.data.shapes import Outline, shape_mask
from dicomnode.learning.exchange.geometry import Geometry
from dicomnode.study import SourceReference

Codes = Mapping[str, Code]
_PRIVATE_SCHEME = "99DICOMNODE"
_SIDES: Codes = MappingProxyType({"L": codes.LEFT, "R": codes.RIGHT})
_KNOWN: Codes = MappingProxyType({code.meaning.lower(): code for code in (codes.LESION, codes.MASS, codes.NODULE)})


def results_of(
    annotations: AnnotationSet,
    geometries: Mapping[str, Geometry],
    drawer: ModelIdentity,
    created: datetime,
    class_codes: Codes,
) -> tuple[Result, ...]:
    """A result for each study with an annotated picture.

    Args:
        annotations: What was drawn.
        geometries: Of the pictures, by their stems.
        drawer: Who drew.
        created: When the documents are made.
        class_codes: Codes of classes; a class without one gets a private code of its name.

    Raises:
        InputError: A picture has no geometry, or another size than it, or nothing is drawn on any.
    """
    by_study: dict[str, list[tuple[Geometry, tuple[Region, ...]]]] = {}
    for image in annotations.images:
        geometry = geometries.get(Path(image.path).stem)
        if geometry is None:
            raise InputError(f"{image.path}: no geometry of this name; give the folder that its export wrote")
        if image.size is not None and image.size != (geometry.columns, geometry.rows):
            sizes = f"{image.size[0]} x {image.size[1]}, its geometry {geometry.columns} x {geometry.rows}"
            raise InputError(f"{image.path}: the annotations have the size {sizes}; annotate the picture as exported")
        if image.regions:
            by_study.setdefault(geometry.study_instance_uid, []).append((geometry, image.regions))
    if not by_study:
        raise InputError("nothing is drawn on any picture, so that there is nothing to write")
    return tuple(_result(study, drawn, drawer, created, class_codes) for study, drawn in by_study.items())


def _result(
    study: str,
    drawn: Sequence[tuple[Geometry, tuple[Region, ...]]],
    drawer: ModelIdentity,
    created: datetime,
    class_codes: Codes,
) -> Result:
    findings: list[Finding] = []
    for geometry, regions in drawn:
        for region in regions:
            findings.append(_finding(geometry, region, len(findings) + 1, drawer, class_codes))
    content = repr([(geometry.sop_instance_uid, geometry.frame_number, regions) for geometry, regions in drawn])
    return Result(
        study_instance_uid=study,
        model=drawer,
        outcome=Outcome.FINDINGS,
        reason=f"{len(findings)} regions drawn on {len(drawn)} images",
        answer=None,
        findings=tuple(findings),
        images=tuple(dict.fromkeys(reference_of(geometry) for geometry, _ in drawn)),
        input_digest=hashlib.sha256(content.encode()).hexdigest(),
        created=created,
    )


def reference_of(geometry: Geometry) -> SourceReference:
    """The image or frame that a picture shows."""
    uids = (geometry.sop_class_uid, geometry.sop_instance_uid, geometry.series_instance_uid)
    return SourceReference(*uids, geometry.frame_number)


def _finding(geometry: Geometry, region: Region, number: int, drawer: ModelIdentity, class_codes: Codes) -> Finding:
    image, size = reference_of(geometry), (geometry.rows, geometry.columns)
    pixels = None if region.shape is None else shape_mask(region.shape, *size)
    points = _points(region, pixels)
    box = points is None
    corners = box_corners(np.array(region.box)) if points is None else points
    corners = np.clip(corners, 0, np.array([geometry.columns, geometry.rows], np.float64))
    place = (geometry.sop_instance_uid, str(geometry.frame_number), drawer.name, str(number))
    return Finding(
        concept=_concept(region.label, class_codes),
        label=f"{region.label} {number}",
        tracking_uid=derive_uid("annotation", *place),
        score=1.0,
        contours=(Polygon(image, corners, is_box=box),),
        site=codes.BREAST if geometry.modality == "MG" else None,
        mask=None if pixels is None else Mask((image,), pixels[np.newaxis]),
        measurements=_sizes(geometry, corners, is_box=box),
        laterality=_SIDES.get(geometry.laterality) if geometry.modality == "MG" else None,
    )


def _points(region: Region, pixels: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.float64] | None:
    """The outline as it was drawn, or around the largest part of a mask; None if only the box is known."""
    if isinstance(region.shape, Outline) and len(region.shape.rings) == 1:
        return np.array(region.shape.rings[0], np.float64)
    return None if pixels is None else outline(pixels.astype(np.float64))


def _sizes(geometry: Geometry, corners: npt.NDArray[np.float64], *, is_box: bool) -> tuple[Measurement, ...]:
    if len(geometry.pixel_spacing) != 2:
        return ()
    spacing = geometry.pixel_spacing[0], geometry.pixel_spacing[1]
    if is_box:
        width, height = np.ptp(corners, axis=0) * np.array([spacing[1], spacing[0]])
        long_axis, short_axis = float(max(width, height)), float(min(width, height))
    else:
        long_axis, short_axis = axes(corners, spacing)
    return (
        Measurement(codes.LONG_AXIS, round(long_axis, 4), codes.MILLIMETRE),
        Measurement(codes.SHORT_AXIS, round(short_axis, 4), codes.MILLIMETRE),
    )


def _concept(label: str, class_codes: Codes) -> Code:
    known = class_codes.get(label) or _KNOWN.get(label.lower().replace("_", " "))
    return known or Code(label.lower().replace(" ", "_"), _PRIVATE_SCHEME, label[:64])
